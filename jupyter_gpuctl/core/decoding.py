"""JSON back to frozen values: the other way round of ``encoding``, for what we wrote ourselves."""

from __future__ import annotations

import dataclasses
import types
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

_T = TypeVar("_T")


def decode(kind: type[_T], value: Any) -> _T:
    """``value``, as :func:`json.loads` gives it, as the frozen dataclass ``kind``.

    Fields that ``kind`` doesn't have are left out, as a newer version may have written them.
    Understands what our values are made of: scalars, enums, times, tuples, unions with ``None``.

    Raises:
        ValueError: it is not what ``encode`` would have written of a ``kind``.
    """
    try:
        return cast(_T, _read(kind, value))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a {kind.__name__}: {error}") from error


def _read(kind: Any, value: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        if value is None:
            if type(None) in get_args(kind):
                return None
            raise TypeError(f"null for {kind}")
        return _read(next(one for one in get_args(kind) if one is not type(None)), value)
    if origin is tuple:
        return _read_tuple(get_args(kind), value)
    if dataclasses.is_dataclass(kind):
        hints = _hints(cast(Any, kind))
        present = {name: _read(hint, value[name]) for name, hint in hints.items() if name in value}
        return cast(Any, kind)(**present)
    if issubclass(kind, Enum):
        return kind(value)
    if kind is datetime:
        return datetime.fromisoformat(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{value!r:.60} for {kind.__name__}")
    return value


def _read_tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r:.60} for a list")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_read(kinds[0], one) for one in value)
    if len(value) != len(kinds):
        raise TypeError(f"{len(value)} values for {len(kinds)}")
    return tuple(_read(kind, one) for kind, one in zip(kinds, value, strict=True))


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}
