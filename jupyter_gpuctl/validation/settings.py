"""Where the settings of a course lie: ``gpuctl.toml`` or ``pyproject.toml``.

What the keys mean and may hold is the business of who asks (``cli.validate_settings``).
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import InvalidConfig

OWN, SHARED = "gpuctl.toml", "pyproject.toml"
OVERRIDES = "overrides"
_MOST_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """A file, and what its table for the validator holds."""

    path: str
    table: str
    """The table's name: ``validate`` in a file of our own, ``tool.gpuctl.validate`` elsewhere."""
    values: Mapping[str, Any]
    """As TOML has them, but overrides."""
    overrides: tuple[Mapping[str, Any], ...]

    @property
    def folder(self) -> str:
        """From which its paths and patterns are read."""
        return os.path.dirname(os.path.abspath(self.path))

    def place(self, key: str, override: int | None = None) -> str:
        """How a key is told: ``pyproject.toml: tool.gpuctl.validate.jobs``."""
        inside = "" if override is None else f".{OVERRIDES}[{override}]"
        shown = key if key.isprintable() else repr(key)
        return f"{self.path}: {self.table}{inside}.{shown}"


def find_settings(start: str = ".") -> SettingsFile | None:
    """The settings of the nearest folder from ``start`` upwards; ``None``: there are none.

    ``gpuctl.toml`` goes before a ``pyproject.toml`` beside it; a ``pyproject.toml`` without our
    table is passed by, as ruff does.

    Raises:
        InvalidConfig: the file can't be read, is not TOML, or the table is not as it must be.
    """
    top = Path(os.path.abspath(start))
    for folder in (top, *top.parents):
        for name in (OWN, SHARED):
            path = folder / name
            if path.is_file():
                shown = os.path.relpath(path)
                found = read_settings(shown if len(shown) < len(str(path)) else str(path))
                if found is not None:
                    return found
    return None


def read_settings(path: str) -> SettingsFile | None:
    """The settings in the file at ``path``; ``None``: it has no table for us.

    Raises:
        InvalidConfig: as for :func:`find_settings`.
    """
    whole = _load(path)
    if os.path.basename(path) == SHARED:
        tool = _table(whole.get("tool", {}), path, "tool")
        ours = _table(tool.get("gpuctl", {}), path, "tool.gpuctl")
        name = "tool.gpuctl.validate"
    else:
        ours, name = whole, "validate"
    others = [key for key in ours if key != "validate"]
    if others:
        top = name.rpartition(".")[0]
        told = f"{top}.{others[0]}" if top else others[0]
        raise InvalidConfig(
            "config.invalid",
            f"{path}: {told} is not a setting.",
            hint=f"Settings of the validator stand under [{name}].",
        )
    if "validate" not in ours:
        return None
    values = dict(_table(ours["validate"], path, name))
    overrides = values.pop(OVERRIDES, [])
    if not isinstance(overrides, list) or not all(isinstance(one, dict) for one in overrides):
        raise InvalidConfig(
            "config.invalid",
            f"{path}: {name}.{OVERRIDES} is not a list of tables.",
            hint=f"Write [[{name}.{OVERRIDES}]] above each.",
        )
    return SettingsFile(path, name, values, tuple(overrides))


def _load(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise _broken(
            path, f"it can't be read: {error.strerror}", "Check its path and mode."
        ) from None
    if len(raw) > _MOST_BYTES:
        raise _broken(path, "it is larger than 1 MiB", "Is it the right file?")
    try:
        return tomllib.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise _broken(path, "it is not UTF-8 text", "Save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise _broken(path, f"it is not TOML: {error}", "Mend it there.") from None
    except RecursionError:
        raise _broken(path, "it is nested too deeply", "Mend it there.") from None


def _table(value: Any, path: str, name: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise _broken(path, f"{name} is not a table", f"Write [{name}] above its settings.")


def _broken(path: str, why: str, hint: str) -> InvalidConfig:
    return InvalidConfig("config.invalid", f"{path}: {why}.", hint=hint, detail={"path": path})
