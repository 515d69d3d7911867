"""Options of ``validate`` for reports: which, where to, and how they get there whole."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InvalidInput
from ..validation.model import Validation
from ..validation.reports import FORMATS, renderer

_STDOUT = "-"
_SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"


@dataclass(frozen=True, slots=True)
class Target:
    """A report that is wanted."""

    format: str
    file: str
    """``-``: standard output."""


def targets_of(texts: Sequence[str]) -> list[Target]:
    """What ``--report`` asks for; the same thing twice is one.

    Raises:
        InvalidInput: a format is not known, a file can't be written, or two want the same place.
    """
    found: dict[str, Target] = {}
    for text in texts:
        target = _target(text)
        place = target.file if target.file == _STDOUT else os.path.realpath(target.file)
        before = found.setdefault(place, target)
        if before.format != target.format:
            where = "standard output" if place == _STDOUT else repr(target.file)
            raise InvalidInput(
                "validate.report",
                f"--report {text!r}: {where} is where the {before.format} report goes.",
                hint=f"Give one a file of its own: --report {target.format}=FILE.",
            )
    return list(found.values())


def _target(text: str) -> Target:
    name, _, file = text.partition("=")
    if name not in FORMATS:
        raise InvalidInput(
            "validate.report",
            f"--report {text!r}: there is no format {name!r}.",
            hint=f"Available: {', '.join(FORMATS)}.",
        )
    if file in ("", _STDOUT):
        return Target(name, _STDOUT)
    folder = Path(file).absolute().parent
    existing = Path(file) if Path(file).exists() else folder
    if Path(file).is_dir() or not folder.is_dir() or not os.access(existing, os.W_OK):
        raise InvalidInput(
            "validate.report",
            f"--report {text!r}: {file!r} can't be written.",
            hint="Name a file in a folder that is there and yours.",
        )
    return Target(name, file)


def write_reports(targets: Sequence[Target], validation: Validation) -> None:
    """Write all of them; one that can't be written doesn't keep the others back.

    Raises:
        InvalidInput: of the first that can't be written, naming it and the mend.
    """
    problems: list[InvalidInput] = []
    for target in targets:
        # Names can hold what is no text; a report that is read elsewhere must be UTF-8.
        report = renderer(target.format)(validation).encode(errors="replace")
        try:
            _write(target.file, report)
        except OSError as error:
            problems.append(_unwritten(target, error))
    if problems:
        raise problems[0]


def _write(file: str, report: bytes) -> None:
    if file == _STDOUT:
        sys.stdout.flush()
        sys.stdout.buffer.write(report)
        sys.stdout.buffer.flush()
    elif _is_summary(file):
        # What earlier commands of the step wrote there is theirs.
        with open(file, "ab") as summary:
            summary.write(report)
    elif os.path.exists(file) and not _can_be_replaced(file):
        with open(file, "wb", buffering=0) as other:
            other.write(report)
    else:
        _replace(os.path.realpath(file), report)


def _replace(file: str, report: bytes) -> None:
    """The whole report or the old file, never half of it; its mode stays."""
    scratch = os.path.join(os.path.dirname(file), f".gpuctl-report-{secrets.token_hex(6)}")
    try:
        # As any new file: what the umask allows, not what mkstemp does.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with open(os.open(scratch, flags, 0o666), "wb") as new:
            if os.path.exists(file):
                os.fchmod(new.fileno(), stat.S_IMODE(os.stat(file).st_mode))
            new.write(report)
            new.flush()
            os.fsync(new.fileno())
        os.replace(scratch, file)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(scratch)
        raise


def _can_be_replaced(file: str) -> bool:
    """Not a pipe or a device, nor a file in a folder that isn't ours."""
    folder = os.path.dirname(os.path.realpath(file))
    return stat.S_ISREG(os.stat(file).st_mode) and os.access(folder, os.W_OK)


def _is_summary(file: str) -> bool:
    summary = os.environ.get(_SUMMARY_VARIABLE)
    return bool(summary) and os.path.realpath(file) == os.path.realpath(summary or "")


def _unwritten(target: Target, error: OSError) -> InvalidInput:
    if target.file == _STDOUT:
        if isinstance(error, BrokenPipeError):
            # Python would try once more at its end, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        where, mend = "standard output", f"Write it to a file: --report {target.format}=FILE."
    else:
        where, mend = repr(target.file), "Free some room, or name another file."
    return InvalidInput(
        "validate.report",
        f"The {target.format} report can't be written to {where}: {error.strerror}.",
        hint=mend,
    )
