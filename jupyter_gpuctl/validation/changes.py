"""Which notebooks changed since a git revision. The only caller of ``git``."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from ..core.errors import InvalidInput
from .past.code import Code, read_code
from .past.watching import PASSED_BY
from .paths import Found

_PROSE = {".md", ".rst", ".adoc", ".license", ".gitignore", ".gitattributes", ".editorconfig"}
"""Files that concern a notebook only if its code names them."""
_PROSE_NAMES = {"license", "readme", "changelog", "contributing", "authors", "codeowners"}
_ENVIRONMENT = {
    *("pyproject.toml", "setup.py", "setup.cfg", "uv.lock", "poetry.lock", "pdm.lock"),
    *("Pipfile", "Pipfile.lock", "pixi.toml", "pixi.lock", "conda-lock.yml", "environment.yml"),
    *("environment.yaml", "apt.txt", "runtime.txt", "postBuild", "Dockerfile", "gpuctl.toml"),
}
"""Files that say what a notebook runs in: they concern all below their folder."""
_LEFT_BY_TOOLS = PASSED_BY | {"__pycache__"}
_TARGETS = ("GITHUB_BASE_REF", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME")
"""Variables in which CI services name the branch that a change is meant for."""


def changed_since(found: Sequence[Found], revision: str) -> tuple[list[Found], str]:
    """Those of ``found`` that changed, and the revision as people read it.

    What is in the working tree counts, committed or not. A notebook has changed when its code
    cells have (see :class:`Code`), when it is new, or when a file changed that concerns it:

    1. one in its folder or below, but other notebooks and prose (``.md`` and the like);
    2. one anywhere in the repository whose name its code holds, or that it may import;
    3. one that says what is installed (``requirements*.txt``, ``pyproject.toml``, locks), in a
       folder above.

    A notebook that only got another name in its folder has not changed. With an empty ``revision``
    changes count from where the present branch left the one that it is meant for.

    Raises:
        InvalidInput: no git, no repository, or no such revision.
    """
    repositories: dict[str, _Repository] = {}
    chosen, told = [], ""
    for one in found:
        folder = os.path.dirname(os.path.realpath(one.path))
        top = _top(folder if os.path.isdir(folder) else ".", one.path)
        repository = repositories.get(top)
        if repository is None:
            repository = repositories[top] = _Repository(top, *_base(top, revision))
            told = told or repository.told
        if one.problem or repository.changed(one.path):
            chosen.append(one)
    return chosen, told


@dataclass
class _Repository:
    top: str
    base: str
    told: str
    _mentions: dict[str, bool] = field(default_factory=dict)

    def changed(self, path: str) -> bool:
        name = os.path.relpath(os.path.realpath(path), self.top)
        now = _read(path)
        code = read_code(now)
        if name not in self._at_base:
            if code is None or not self._renamed(name, code):
                return True
        elif name in self._differing:
            before = self._show(name)
            if code is None:
                return before != now
            known = read_code(before)
            if known is None or known.digest() != code.digest():
                return True
        others = (other for other in self._differing if not other.endswith(".ipynb"))
        return any(concerns(other, name, code) for other in others)

    def _renamed(self, name: str, code: Code) -> bool:
        """Whether a notebook with the same code went away from the same folder."""
        folder = os.path.dirname(name)
        for gone in self._differing:
            beside = gone.endswith(".ipynb") and os.path.dirname(gone) == folder
            if beside and gone in self._at_base and not os.path.lexists(self._whole(gone)):
                known = read_code(self._show(gone))
                if known is not None and known.digest() == code.digest():
                    return True
        return False

    def _whole(self, name: str) -> str:
        return os.path.join(self.top, name)

    def _show(self, name: str) -> bytes:
        return _git(self.top, "cat-file", "blob", f"{self.base}:{name}")

    @cached_property
    def _at_base(self) -> frozenset[str]:
        return frozenset(_names(_git(self.top, "ls-tree", "-r", "-z", "--name-only", self.base)))

    @cached_property
    def _differing(self) -> frozenset[str]:
        """Files that differ, are gone, or are new and not ignored."""
        differing = _git(self.top, "diff", "--name-only", "--no-renames", "-z", self.base)
        new = _git(self.top, "ls-files", "--others", "--exclude-standard", "-z")
        return frozenset({*_names(differing), *_names(new)})


def concerns(other: str, notebook: str, code: Code | None) -> bool:
    """Whether a change of the file ``other`` may matter to ``notebook``; paths in the repository.

    Pure. ``code``: of the notebook; ``None`` where it can't be read.
    """
    path, home = PurePosixPath(other), PurePosixPath(notebook).parent
    if not _LEFT_BY_TOOLS.isdisjoint(path.parts):
        return False
    required = path.name.startswith("requirements") and path.suffix in (".txt", ".in")
    if (required or path.name in _ENVIRONMENT) and home.is_relative_to(path.parent):
        return True
    if code is not None and (
        path.name in code.text or (path.suffix == ".py" and _modules(path) & code.imports())
    ):
        return True
    prose = path.suffix.lower() in _PROSE or path.name.startswith(".git")
    if prose or path.stem.lower() in _PROSE_NAMES:
        return False
    return path.is_relative_to(home)


def _modules(path: PurePosixPath) -> set[str]:
    """Names by which the source file may be imported: its own, or that of a package above."""
    return {path.stem, *path.parent.parts}


def _top(folder: str, path: str) -> str:
    try:
        return os.fsdecode(_git(folder, "rev-parse", "--show-toplevel")).removesuffix("\n")
    except InvalidInput as error:
        if error.code != "validate.git":
            raise
        raise InvalidInput(
            "validate.git",
            f"What changed can't be told: {path!r} is in no git repository.",
            hint="Leave out --changed, or run it in a clone.",
            detail={"path": path},
        ) from None


def _base(top: str, revision: str) -> tuple[str, str]:
    """The commit to compare with, and how it is told."""
    if revision:
        commit = _commit(top, revision)
        if commit is None:
            raise InvalidInput(
                "validate.revision",
                f"--changed-since {revision!r}: there is no such revision in {top}.",
                hint="In CI it may not be fetched: set the depth of the checkout to 0.",
                detail={"revision": revision},
            )
        return commit, _told(revision, commit)
    for name, certain in _targets():
        if _commit(top, name) is None:
            if certain:
                raise InvalidInput(
                    "validate.revision",
                    f"What changed can't be told: {name} is not in the clone {top}.",
                    hint="Fetch it (in CI: set the depth of the checkout to 0).",
                )
            continue
        try:
            merged = os.fsdecode(_git(top, "merge-base", "HEAD", name)).strip()
        except InvalidInput:
            raise InvalidInput(
                "validate.revision",
                f"Where the present branch left {name} can't be told.",
                hint="The clone may be shallow: fetch more of it, or give --changed-since.",
            ) from None
        return merged, _told(name, merged)
    commit = _commit(top, "HEAD")
    if commit is not None and not _on_branch(top):
        raise InvalidInput(
            "validate.revision",
            f"What changed can't be told: {top} is on no branch, and no main branch is known.",
            hint="Give --changed-since.",
        )
    if commit is None:
        raise InvalidInput(
            "validate.revision",
            f"What changed can't be told: nothing is committed in {top}.",
            hint="Leave out --changed.",
        )
    return commit, _told("HEAD", commit)


def _targets() -> Iterator[tuple[str, bool]]:
    """Branches that ours may be meant for, and whether it is certain."""
    for variable in _TARGETS:
        if name := os.environ.get(variable):
            yield f"origin/{name}", True
    for name in ("origin/HEAD", "@{upstream}", "origin/main", "origin/master", "main", "master"):
        yield name, False


def _on_branch(top: str) -> bool:
    try:
        _git(top, "symbolic-ref", "--quiet", "HEAD")
    except InvalidInput:
        return False
    return True


def _told(name: str, commit: str) -> str:
    return commit[:10] if commit.startswith(name) else f"{name} ({commit[:10]})"


def _commit(top: str, revision: str) -> str | None:
    try:
        found = _git(
            top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
        )
    except InvalidInput as error:
        if error.code != "validate.git":
            raise
        return None
    return os.fsdecode(found).strip() or None


def _git(folder: str, *arguments: str) -> bytes:
    """What git answers.

    Raises:
        InvalidInput: ``validate.git``: it refuses; ``validate.no-git``: it isn't installed.
    """
    try:
        done = subprocess.run(
            ["git", "-C", folder, *arguments],
            capture_output=True,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise InvalidInput(
            "validate.no-git",
            "What changed can't be told: git is not installed.",
            hint="Install it, or leave out --changed.",
        ) from None
    if done.returncode == 0:
        return done.stdout
    told = done.stderr.decode(errors="replace").strip().splitlines()
    why = told[-1].removeprefix("fatal: ") if told else f"exit status {done.returncode}"
    if "dubious ownership" in done.stderr.decode(errors="replace"):
        raise InvalidInput(
            "validate.git-owner",
            f"git doesn't look into {folder}: it belongs to another user.",
            hint="See safe.directory in git-config(1).",
        )
    raise InvalidInput("validate.git", f"git can't tell what changed: {why}.")


def _names(listed: bytes) -> Iterable[str]:
    return (os.fsdecode(name) for name in listed.split(b"\0") if name)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes() if os.path.isfile(path) else b""
    except OSError:
        return b""
