"""Options of ``validate`` from a file: what may stand in it, and how it reaches click.

Every option of the command is a setting of the same name, but those that mean one call only. The
file fills in what the command line leaves out.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from ..core.errors import GpuCtlError, InvalidConfig
from ..validation.settings import OVERRIDES, SettingsFile, find_settings, read_settings

_F = TypeVar("_F", bound=Callable[..., Any])
_KEY = "jupyter_gpuctl.validate.settings"
_NOT_SETTINGS = {
    "settings",
    "as_json",
    "changed",
    "changed_since",
    "lint_only",
    "save_baseline",
    "find_limit",
}
"""Parameters that say what one call is for."""
_BY_NOTEBOOK = {
    "time_limit": "time",
    "cell_time_limit": "cell_time",
    "memory_limit": "memory",
    "gpu_memory_limit": "gpu_memory",
    "kernel": "kernel",
}
"""Parameters that an override may give → what they are in ``validation.options``."""
_PATHS = "paths"


@dataclass(frozen=True, slots=True)
class _Override:
    paths: tuple[str, ...]
    values: dict[str, Any]
    """By parameter, converted."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a settings file says of one call."""

    folder: str | None
    """That of the file; ``None``: there is none."""
    overrides: tuple[_Override, ...] = ()

    def by_notebook(self, ctx: click.Context) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
        """Patterns and values; the command line goes before: what it gives is left out."""
        given = {
            name
            for name in _BY_NOTEBOOK
            if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
        }
        return [
            (
                override.paths,
                {_BY_NOTEBOOK[k]: v for k, v in override.values.items() if k not in given},
            )
            for override in self.overrides
        ]


def settings_option(function: _F) -> _F:
    """``--settings``, which is read before all others."""
    return click.option(
        "--settings",
        metavar="FILE",
        is_eager=True,
        expose_value=False,
        callback=_load,
        help="Read settings from FILE, not from the nearest gpuctl.toml or pyproject.toml; none "
        "for no file.",
    )(function)


def settings_of(ctx: click.Context) -> Settings:
    """What :func:`settings_option` has read for this call."""
    found: Settings = ctx.meta[_KEY]
    return found


def _load(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None and value.strip().lower() == "none":
        file = None
    elif value is not None:
        file = read_settings(value)
        if file is None:
            raise InvalidConfig(
                "config.invalid",
                f"{value}: it has no settings of the validator.",
                hint="They stand under [tool.gpuctl.validate]; in a gpuctl.toml under [validate].",
            )
    else:
        file = find_settings()
    if file is None:
        ctx.meta[_KEY] = Settings(None)
        return
    reader = _Reader(ctx, file)
    ctx.default_map = reader.defaults()
    ctx.meta[_KEY] = Settings(file.folder, tuple(reader.overrides()))


class _Reader:
    """Checks one file against the parameters of the command, and names what is wrong."""

    def __init__(self, ctx: click.Context, file: SettingsFile) -> None:
        self._ctx, self._file = ctx, file
        self._params = {_key(param): param for param in ctx.command.params if _is_setting(param)}

    def defaults(self) -> dict[str, Any]:
        """For ``Context.default_map``: by parameter, as the command line would have it."""
        found: dict[str, Any] = {}
        for written, value in self._file.values.items():
            place = self._file.place(written)
            key = written.replace("_", "-")
            if key not in self._params:
                raise self._unknown(place, key, [*self._params, OVERRIDES])
            param = self._params[key]
            if param.name in found:
                raise _wrong(place, "is there twice", f"Leave out one; the name is {key}.")
            found[param.name or ""] = self._convert(place, param, value)[0]
        return found

    def overrides(self) -> Iterable[_Override]:
        """In the order of the file."""
        for number, table in enumerate(self._file.overrides):
            values = dict(table)
            place = self._file.place(_PATHS, number)
            paths = values.pop(_PATHS, None)
            if not _is_texts(paths) or not paths:
                hint = 'Write patterns as in a .gitignore, such as ["labs/**"].'
                raise _wrong(place, "must be a list of patterns", hint)
            yield _Override(tuple(paths), self._values(number, values))

    def _values(self, number: int, values: dict[str, Any]) -> dict[str, Any]:
        known = {
            _key(param): param for param in self._params.values() if param.name in _BY_NOTEBOOK
        }
        found = {}
        for written, value in values.items():
            place, key = self._file.place(written, number), written.replace("_", "-")
            if key not in known:
                if key in self._params:
                    hint = f"Write it under [{self._file.table}]."
                    raise _wrong(place, "holds for all notebooks", hint)
                raise self._unknown(place, key, [*known, _PATHS])
            found[known[key].name or ""] = self._convert(place, known[key], value)[1]
        return found

    def _unknown(self, place: str, key: str, known: Iterable[str]) -> InvalidConfig:
        names = sorted(known)
        if any(_key(param) == key for param in self._ctx.command.params):
            return _wrong(place, "is for the command line only", f"Give --{key} there.")
        near = difflib.get_close_matches(key, names, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"The settings are: {', '.join(names)}."
        return _wrong(place, "is not a setting", hint)

    def _convert(self, place: str, param: click.Parameter, value: Any) -> tuple[Any, Any]:
        """As the command line would have it, and as the command gets it."""
        raw = self._raw(place, param, value)
        try:
            if param.multiple or param.nargs == -1:
                return raw, tuple(param.type.convert(one, param, self._ctx) for one in raw)
            return raw, param.type.convert(raw, param, self._ctx)
        except click.BadParameter as error:
            raise _wrong(f"{place} = {value!r}", "can't be", f"{error.message}") from None
        except GpuCtlError as error:
            told = error.message.partition("=")[2].partition("' ")[2] or error.message
            raise _wrong(f"{place} = {value!r}", told.rstrip("."), error.hint) from None

    def _raw(self, place: str, param: click.Parameter, value: Any) -> Any:
        if getattr(param, "is_flag", False):
            if not isinstance(value, bool):
                raise _wrong(f"{place} = {value!r}", "is neither true nor false", "Write one.")
            return value
        if param.multiple or param.nargs == -1:
            if not _is_texts(value):
                raise _wrong(f"{place} = {value!r}", "is not a list of texts", 'Write ["…"].')
            return [self._placed(param, one) for one in value]
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise _wrong(f"{place} = {value!r}", "is not what it takes", _mend(param))
        numeric = isinstance(param.type, click.types.IntParamType | click.types.FloatParamType)
        if isinstance(value, str) and numeric:
            raise _wrong(f"{place} = {value!r}", "is not a number", "Write it without quotes.")
        if not isinstance(value, str) and isinstance(param.type, click.types.StringParamType):
            raise _wrong(f"{place} = {value!r}", "is not a text", "Write it in quotes.")
        return self._placed(param, value) if isinstance(value, str) else str(value)

    def _placed(self, param: click.Parameter, text: str) -> str:
        """Files of the settings lie beside them, wherever the command is called."""
        if param.name == _PATHS or (param.metavar or "") in ("FILE", "FOLDER"):
            return self._from_here(text)
        if (param.metavar or "").endswith("[=FILE]") and "=" in text:
            name, _, file = text.partition("=")
            return text if file in ("", "-") else f"{name}={self._from_here(file)}"
        return text

    def _from_here(self, file: str) -> str:
        return os.path.relpath(os.path.join(self._file.folder, os.path.expanduser(file)))


def _key(param: click.Parameter) -> str:
    if isinstance(param, click.Argument):
        return param.name or ""
    long = [name for name in param.opts if name.startswith("--")]
    return long[0].removeprefix("--") if long else ""


def _is_setting(param: click.Parameter) -> bool:
    return (
        param.name not in _NOT_SETTINGS
        and not getattr(param, "hidden", False)
        and not (param.is_eager and not param.expose_value)
    )


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _mend(param: click.Parameter) -> str:
    metavar = param.metavar or param.type.name.upper()
    return f"Write {metavar} as for --{_key(param)}."


def _wrong(place: str, what: str, hint: str) -> InvalidConfig:
    return InvalidConfig("config.invalid", f"{place} {what}.", hint=hint)
