"""Where quotas come from: a YAML file that is read again when it changes, or a setting.

Files are read as YAML 1.2 reads scalars: ``8:00`` is not 480, ``no``
is not false, ``007`` is not 7, and times stay as written.
"""

from __future__ import annotations

import dataclasses
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from ...core.errors import GpuCtlError, InvalidConfig
from ..policy import Policy
from ..ports import PolicySource
from .reading import parse

MOST_BYTES = 512 * 1024
"""A file of more is not read: it would hold the quotas of more than ten thousand users."""
SETTLE = 1.0
"""Seconds for which a changed file must be left alone before it is believed."""

_Stamp = tuple[int, ...]


def source(quotas: str | Mapping[str, Any] | None, base: Policy) -> PolicySource:
    """The source that the setting ``quotas`` asks for: none, a path, or a mapping."""
    if isinstance(quotas, str):
        return QuotaFile(Path(quotas), base)
    return FixedPolicy({} if quotas is None else quotas, base)


class FixedPolicy:
    """Quotas that stay as they are: those of a setting, or none. A :class:`PolicySource`."""

    def __init__(self, quotas: Mapping[str, Any], base: Policy) -> None:
        """Read ``quotas``. Where there are mistakes in it, no quotas are known."""
        self.problem: str | None = None
        try:
            self._policy = parse(quotas, base=base, source="GpuCtl.quotas")
        except GpuCtlError as error:
            self._policy, self.problem = _unread(base, error), str(error)

    def policy(self) -> Policy:
        """Always the same."""
        return self._policy


class QuotaFile:
    """Quotas in a YAML file. A :class:`PolicySource`.

    Each :meth:`policy` looks whether the file has changed. A changed file holds once it has been
    left alone for :data:`SETTLE` seconds, so that half a file never counts. What can't be read, or
    has mistakes, changes nothing: the quotas before it hold on, and :attr:`problem` says so. Where
    there are none before it, none are known: that is not what the operator wanted either.
    """

    def __init__(
        self, path: Path, base: Policy, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Read the file for the first time."""
        self._path = path
        self._base = base
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._problem: str | None = None
        self._text: bytes | None = None
        self._stamp = self._look()
        self._since = monotonic()
        self._settled = False  # it may be being written at this moment: it is read once more
        self._policy = base
        self._take()

    def policy(self) -> Policy:
        """The quotas of the newest file that could be read. Any thread; costs one ``stat``."""
        # While one thread reads a new file, the others go on with what there was.
        if self._lock.acquire(blocking=False):
            try:
                self._follow()
            finally:
                self._lock.release()
        return self._policy

    @property
    def problem(self) -> str | None:
        """What is wrong with the newest file, and the mend, as of the last :meth:`policy`."""
        return self._problem

    def _follow(self) -> None:
        stamp, now = self._look(), self._monotonic()
        if stamp != self._stamp:
            self._stamp, self._since, self._settled = stamp, now, False
        if self._settled or now - self._since < SETTLE:
            return
        self._settled = True
        self._take()

    def _take(self) -> None:
        try:
            self._policy = self._read()
            self._problem = None
        except GpuCtlError as error:
            self._problem = str(error)
            if self._text is None:
                self._policy = _unread(self._base, error)

    def _look(self) -> _Stamp:
        """What changes when the file does; nothing where there is none."""
        try:
            found = os.stat(self._path)
        except OSError:
            return ()
        # The time of the last change of status moves when permissions are mended.
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size

    def _read(self) -> Policy:
        text = read_whole(self._path)
        if text != self._text or self._problem is not None:
            policy = parse(load(text, self._path), base=self._base, source=str(self._path))
            self._text = text
            return policy
        return self._policy


def _unread(base: Policy, error: GpuCtlError) -> Policy:
    """Of names it isn't known either whether they may be shown."""
    return dataclasses.replace(base, unread=error.message, unread_hint=error.hint, hide_names=True)


def read_whole(path: Path) -> bytes:
    """The bytes of a file of at most :data:`MOST_BYTES`.

    Raises:
        InvalidConfig: not there, not a file, not readable, or too large.
    """
    try:
        # A named pipe without a writer would hold up whoever opens it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _unreadable(path, "it is not a file")
            with open(descriptor, "rb", closefd=False) as file:
                text = file.read(MOST_BYTES + 1)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _unreadable(path, why) from error
    if len(text) > MOST_BYTES:
        raise _unreadable(path, f"it is larger than {MOST_BYTES // 1024} KiB")
    return text


def load(text: bytes, path: Path) -> Any:
    """The plain values of a YAML text.

    Raises:
        InvalidConfig: not YAML, a name twice in one mapping, or an alias.
    """
    try:
        return yaml.load(text.decode("utf-8-sig"), Loader=_Loader)  # noqa: S506
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise _broken(path, where + str(error.problem or error.context)) from error
    except UnicodeDecodeError as error:
        raise _broken(path, f"byte {error.start} is not UTF-8") from error
    except RecursionError as error:
        raise _broken(path, "it is nested too deeply") from error
    except Exception as error:  # characters that YAML forbids, and what PyYAML lets through
        raise _broken(path, " ".join(str(error).split())[:200]) from error


def _unreadable(path: Path, why: str) -> InvalidConfig:
    return InvalidConfig(
        "config.invalid",
        f"The quota file {path} can't be read: {why}.",
        hint="Mend it, or point GpuCtl.quotas at another.",
        detail={"path": str(path)},
    )


def _broken(path: Path, why: str) -> InvalidConfig:
    return InvalidConfig(
        "config.invalid",
        f"The quota file {path} is not YAML that can be used: {why}.",
        hint="Mend it there.",
        detail={"path": str(path)},
    )


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, without what surprises people or explodes."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        tag = getattr(event, "tag", None)
        if isinstance(event, yaml.AliasEvent):
            # Aliases of aliases make gigabytes of a few lines.
            what = f"the alias *{str(event.anchor)[:60]} stands for another text; write that out"
        elif tag not in (None, "!"):
            what = f"the tag {str(tag)[:60]} is not for this file; leave it out"
        else:
            return super().compose_node(parent, index)
        raise yaml.composer.ComposerError(None, None, what, event.start_mark)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key.value[:60]!r} is written twice", key.start_mark
                    )
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"-?(?:0|[1-9][0-9]{0,30})", [*"-0123456789"]),
    (
        "float",
        r"-?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?",
        [*"-.0123456789"],
    ),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", [*"-+."]),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _first
    )
