"""Checks for what should not leave the author's machine: keys, home folders, addresses. Pure.

The patterns of tokens are those of gitleaks (``config/gitleaks.toml`` of github.com/gitleaks/
gitleaks at b58d3f10, MIT): those of its rules whose tokens are known by a prefix of their own. That
of Jupyter's token is from ``jupyter_server/auth/identity.py``: 24 bytes in hexadecimal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..model import Finding
from .subject import Cell, Subject

SECRETS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("Anthropic key", r"\bsk-ant-api03-[a-zA-Z0-9_\-]{93}AA\b"),
        ("AWS access key", r"\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
        ("Databricks token", r"\bdapi[a-f0-9]{32}(?:-\d)?\b"),
        ("DigitalOcean token", r"\bdop_v1_[a-f0-9]{64}\b"),
        ("GitHub token", r"\b(?:gh[pousr]_[0-9a-zA-Z]{36}|github_pat_\w{82})\b"),
        ("GitLab token", r"\bglpat-[\w-]{20}"),
        ("Google key", r"\bAIza[\w-]{35}"),
        ("Hugging Face token", r"\bhf_[a-zA-Z]{34}\b"),
        ("Jupyter token", r"[?&]token=[0-9a-f]{48}\b"),
        ("npm token", r"\bnpm_[a-zA-Z0-9]{36}\b"),
        (
            "OpenAI key",
            r"\bsk-(?:(?:proj|svcacct|admin)-[A-Za-z0-9_-]{58,74}|[a-zA-Z0-9]{20})"
            r"T3BlbkFJ[A-Za-z0-9_-]{20,74}",
        ),
        (
            "private key",
            r"-----BEGIN[ A-Z0-9_-]{0,100}PRIVATE KEY(?: BLOCK)?-----\s*[\w+/=:\\]{32}",
        ),
        ("PyPI token", r"\bpypi-AgEIcHlwaS5vcmc[\w-]{50,1000}"),
        ("Slack token", r"\bxox(?:b-[0-9]{10,13}-[0-9]{10,13}|[pe](?:-[0-9]{10,13}){3})-?[\w-]*"),
        ("Stripe key", r"\b(?:sk|rk)_(?:live|prod)_[a-zA-Z0-9]{10,99}\b"),
    )
)
_HOMES = (
    re.compile(r"(?<![\w.~])(?:/home/|/Users/)([A-Za-z_][\w.-]{0,31})(?![\w.-])"),
    re.compile(
        r"\b[A-Za-z]:(?:\\{1,2}|/)Users(?:\\{1,2}|/)(\w[\w. -]{0,63}?(?=\\)|\w[\w.-]{0,63})"
    ),
)
NOBODY = frozenset(
    [
        "jovyan",
        "user",
        "username",
        "users",
        "name",
        "you",
        "me",
        "student",
        "students",
        "learner",
        "instructor",
        "teacher",
        "runner",
        "runneradmin",
        "ubuntu",
        "debian",
        "ec2-user",
        "vscode",
        "codespace",
        "gitpod",
        "colab",
        "coder",
        "jupyter",
        "rstudio",
        "docker",
        "app",
        "conda",
        "linuxbrew",
        "travis",
        "circleci",
        "vagrant",
        "azureuser",
        "sagemaker-user",
        "shared",
        "public",
        "default",
        "all",
        "yourname",
        "your-name",
        "your_name",
        "yourusername",
        "your-username",
        "your_username",
        "someone",
        "somebody",
        "root",
        "home",
        "login",
        "account",
    ]
)
"""Names of home folders that are nobody's: of images, services and examples."""
_EMAIL = re.compile(
    r"(?<![\w.%+@/:-])([A-Za-z0-9][\w.%+-]{0,63})@((?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,24})\b(?!@)"
)
_NO_DOMAIN = re.compile(
    # Reserved by RFC 2606 and RFC 6761, or the end of a file's name.
    r"(?:^|\.)(?:example(?:\.(?:com|org|net|edu))?|test|invalid|localhost|local)$"
    r"|\.(?:png|jpe?g|gif|svg|webp|css|js|py|ipynb|txt|csv|json|md|html)$",
    re.IGNORECASE,
)
_NO_PERSON = re.compile(r"no-?reply|^git$|^(?:user|name|someone|you|your\.?name)$", re.IGNORECASE)


def secret(subject: Subject) -> Iterator[Finding]:
    """Keys and tokens, in sources, outputs and metadata. The finding does not repeat them."""
    hint = "Withdraw it where it was issued, then take it out here and from git's history."
    for cell in subject.cells:
        told = set()
        for name, found, line in _everywhere(cell):
            for match in found_secrets(found):
                if (name, match[0]) not in told:
                    told.add((name, match[0]))
                    at = None if line is None else cell.line_of(match[1])
                    yield cell.finding(f"{name} holds what looks like a {match[0]}", hint, at)
    for kind, _ in found_secrets(subject.metadata):
        yield Finding("", f"its metadata hold what looks like a {kind}", hint)


def found_secrets(text: str) -> Iterator[tuple[str, int]]:
    """What each is, and where in ``text``; not those that are plainly made up."""
    for name, pattern in SECRETS:
        for match in pattern.finditer(text):
            # A placeholder, such as AWS's own AKIA…EXAMPLE or a row of x.
            if not match[0].endswith("EXAMPLE") and len(set(match[0][-16:])) >= 5:
                yield name, match.start()


def personal(subject: Subject) -> Iterator[Finding]:
    """Home folders in code, outputs and metadata, e-mail addresses in outputs.

    An address that a cell spells out is the lesson's own.
    """
    for cell in subject.code:
        told: set[str] = set()
        for where, text, line in _everywhere(cell):
            for name, position in found_homes(text):
                if name not in told:
                    told.add(name)
                    at = None if line is None else cell.line_of(position)
                    yield cell.finding(
                        f"{where} names the home folder of {name!r}",
                        "Use paths from the notebook's folder; clear the output.",
                        at,
                    )
        addresses = [
            address
            for address in dict.fromkeys(found_emails("\n".join(_read(cell))))
            if not any(address in other.source for other in subject.cells)
        ]
        if addresses:
            more = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
            yield cell.finding(
                f"its output holds an e-mail address: {addresses[0]}{more}",
                "Clear the output, or leave the column out.",
            )
    for name in dict.fromkeys(name for name, _ in found_homes(subject.metadata)):
        yield Finding(
            "",
            f"its metadata name the home folder of {name!r}",
            "Take it out with the property inspector.",
        )


def found_homes(text: str) -> Iterator[tuple[str, int]]:
    """Whose home folders ``text`` names, and where; not those of :data:`NOBODY`."""
    for pattern in _HOMES:
        for match in pattern.finditer(text):
            name = match[1].rstrip(".- ")
            if name and name.lower() not in NOBODY:
                yield name, match.start()


def found_emails(text: str) -> Iterator[str]:
    """E-mail addresses that may be somebody's."""
    if "@" not in text:
        return
    for match in _EMAIL.finditer(text):
        if not _NO_PERSON.search(match[1]) and not _NO_DOMAIN.search(match[2]):
            yield match[0]


def _everywhere(cell: Cell) -> Iterator[tuple[str, str, int | None]]:
    """Each text of a cell: what it is, the text, and a line where lines count."""
    yield "it", cell.source, 1
    for text in _read(cell):
        yield "its output", text, None


def _read(cell: Cell) -> Iterable[str]:
    return (text for output in cell.outputs for text in output.texts)
