"""What is asked for: JSON read into a :class:`.model.Request`, or one line that says what is wrong.

Pure. Whether a request fits limits and devices is not asked here, only whether it has a meaning.
"""

from __future__ import annotations

import difflib
import math
import unicodedata
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from ..core.errors import InvalidInput
from ..core.quantities import parse_bytes, parse_duration
from .model import WHOLE, Request

KEY_HEADER = "Idempotency-Key"
MAX_KEY = 200
MAX_NOTE = 500
MAX_NAME = 200
"""Characters of a model, a group, or a kernel's id."""
MAX_GPUS = 100_000
MAX_DURATION = 366 * 86_400
MAX_MEMORY = 2**50
DEFAULT_LIMIT, MAX_LIMIT = 100, 1000

_REQUEST_FIELDS = (
    "gpus",
    "duration",
    "gpu_model",
    "gpu_memory",
    "kernel_id",
    "note",
    "group",
    "interactive",
    "dry_run",
)
_TURNING = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
"""Of Unicode's bidirectional classes (annex 9), those of its explicit formatting characters."""
_PATCH_FIELDS = ("extend", "accept", "keep")
_DURATION_HINT = "Write seconds, or such as 90m, 2h or 1h30m."
_GPUS_HINT = "Ask for 1 or more whole GPUs, or for a share below 1 such as 0.25."


class Wish(Enum):
    """What ``PATCH leases/{id}`` asks for besides a longer time."""

    ACCEPT = "accept"
    KEEP = "keep"


def parse_request(body: Mapping[str, Any]) -> tuple[Request, bool]:
    """The request in the body of ``POST leases``, and whether it is a dry run.

    Raises:
        InvalidInput: names the field and the value, with the mend.
    """
    _known(body, _REQUEST_FIELDS, 'Send such as {"gpus": 1, "duration": "2h"}.')
    milli = _milli(_required(body, "gpus", _GPUS_HINT))
    duration = _duration("duration", _required(body, "duration", _DURATION_HINT))
    memory = _memory(body.get("gpu_memory"))
    if milli < WHOLE and memory is None:
        raise _invalid(
            "gpu_memory",
            None,
            f"gpu_memory is missing: gpus={milli / WHOLE:g} is a share of one GPU.",
            'Say how much of its memory you need, such as "gpu_memory": "8GiB".',
        )
    request = Request(
        milli=milli,
        duration=duration,
        memory=memory,
        model=_name(body, "gpu_model"),
        group=_name(body, "group"),
        interactive=_flag(body, "interactive", default=True),
        kernel_id=_name(body, "kernel_id"),
        note=_note("note", body.get("note")),
    )
    return request, _flag(body, "dry_run", default=False)


def parse_patch(body: Mapping[str, Any]) -> int | Wish:
    """By how many seconds to extend, in the body of ``PATCH leases/{id}``; or what else is wished.

    Raises:
        InvalidInput: none or several, or a value that can't be.
    """
    hint = 'Send {"extend": "1h"}, {"accept": true} or {"keep": true}.'
    _known(body, _PATCH_FIELDS, hint)
    given = [name for name in _PATCH_FIELDS if body.get(name) is not None]
    if len(given) != 1:
        message = "None of extend, accept and keep is there."
        if given:
            message = f"{' and '.join(given)} are there together."
        raise _invalid("extend", body.get("extend"), message, hint)
    name, value = given[0], body[given[0]]
    if name == "extend":
        return _duration(name, value)
    if value is not True:
        raise _invalid(
            name,
            value,
            f"{name}={_show(value)} is not true.",
            "To decline an offer or give a lease back, DELETE it.",
        )
    return Wish(name)


def parse_key(text: str | None) -> str | None:
    """The idempotency key of a request's header.

    Raises:
        InvalidInput: too long, or with characters that can't be seen.
    """
    if text is None or not text.strip():
        return None
    if len(text) > MAX_KEY:
        raise _invalid(
            KEY_HEADER,
            text,
            f"{KEY_HEADER} has {len(text)} characters, more than {MAX_KEY}.",
            "Send a UUID.",
        )
    _printable(KEY_HEADER, text)
    return text.strip()


def parse_reason(text: str) -> str:
    """What an administrator says when revoking.

    Raises:
        InvalidInput: as :func:`parse_request` for ``note``.
    """
    return _note("reason", text)


def parse_status(text: str | None) -> bool:
    """Whether *ended* leases are asked for.

    Raises:
        InvalidInput: neither ``live`` nor ``ended``.
    """
    if text not in (None, "live", "ended"):
        raise _invalid(
            "status", text, f"status={_show(text)} is not live or ended.", "Send one of the two."
        )
    return text == "ended"


def parse_limit(count: int | None) -> int:
    """How many items to give.

    Raises:
        InvalidInput: none, or more than :data:`MAX_LIMIT`.
    """
    if count is None:
        return DEFAULT_LIMIT
    if not 1 <= count <= MAX_LIMIT:
        raise _invalid(
            "limit",
            count,
            f"limit={count} is not between 1 and {MAX_LIMIT}.",
            "Ask for less at once, and go on with cursor.",
        )
    return count


def _known(body: Mapping[str, Any], fields: Sequence[str], hint: str) -> None:
    if not body:
        raise _invalid("body", None, "The body is an empty object.", hint)
    for name in body:
        if name not in fields:
            close = difflib.get_close_matches(str(name)[:MAX_NAME], fields, n=1)
            raise _invalid(
                str(name)[:40],
                body[name],
                f"{_show(str(name))} is not a field of this request.",
                f"Did you mean {close[0]}?" if close else f"The fields are: {', '.join(fields)}.",
            )


def _required(body: Mapping[str, Any], name: str, hint: str) -> Any:
    if body.get(name) is None:
        raise _invalid(name, None, f"{name} is missing.", hint)
    return body[name]


def _milli(value: Any) -> int:
    """Thousandths of a device of ``value``, a number of devices."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _invalid("gpus", value, f"gpus={_show(value)} is not a number.", _GPUS_HINT)
    if value > MAX_GPUS:
        raise _invalid(
            "gpus", value, f"gpus={_show(value)} is more than {MAX_GPUS}.", "Ask for less."
        )
    if not value > 0:  # not a number is not
        raise _invalid("gpus", value, f"gpus={_show(value)} is not above 0.", _GPUS_HINT)
    if value >= 1 and value != int(value):
        raise _invalid(
            "gpus",
            value,
            f"gpus={_show(value)} is neither a whole number nor below 1.",
            f"{_GPUS_HINT} For a GPU and a half make two requests.",
        )
    milli = round(value * WHOLE)
    if value < 1 and (value * WHOLE != milli and round(value, 3) != value):
        raise _invalid(
            "gpus",
            value,
            f"gpus={_show(value)} has more than three decimals.",
            "Shares are counted in thousandths of a GPU.",
        )
    return milli


def _duration(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _invalid(name, value, f"{name}={_show(value)} is not a duration.", _DURATION_HINT)
    # The parser's own message would repeat all of a long text.
    try:
        seconds = parse_duration(value[:MAX_NAME] if isinstance(value, str) else value, name=name)
    except (InvalidInput, OverflowError):
        raise _invalid(
            name, value, f"{name}={_show(value)} is not a duration.", _DURATION_HINT
        ) from None
    if seconds > MAX_DURATION:
        raise _invalid(
            name,
            value,
            f"{name}={_show(value)} is longer than a year.",
            "Ask for hours or days; a lease can be extended.",
        )
    if seconds < 1:
        raise _invalid(
            name, value, f"{name}={_show(value)} is shorter than a second.", _DURATION_HINT
        )
    return math.ceil(seconds)


def _memory(value: Any) -> int | None:
    if value is None:
        return None
    hint = "Write bytes, or such as 8GiB."
    wrong = _invalid("gpu_memory", value, f"gpu_memory={_show(value)} is not a size.", hint)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise wrong
    try:
        size = parse_bytes(value[:MAX_NAME] if isinstance(value, str) else value)
    except (InvalidInput, OverflowError):
        raise wrong from None
    if not 0 < size <= MAX_MEMORY:
        bound = "above 0" if size <= 0 else "a size that a GPU can have"
        raise _invalid("gpu_memory", value, f"gpu_memory={_show(value)} is not {bound}.", hint)
    return size


def _name(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise _invalid(name, value, f"{name}={_show(value)} is not a name.", "Or leave it out.")
    if len(value) > MAX_NAME:
        raise _invalid(
            name,
            value,
            f"{name} has {len(value)} characters, more than {MAX_NAME}.",
            "Write a shorter one, or leave it out.",
        )
    _printable(name, value)
    return value.strip()


def _note(name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _invalid(name, value, f"{name}={_show(value)} is not a text.", "Or leave it out.")
    if len(value) > MAX_NOTE:
        raise _invalid(
            name,
            value,
            f"{name} has {len(value)} characters, more than {MAX_NOTE}.",
            "Write less.",
        )
    _printable(name, value)
    return value.strip()


def _flag(body: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise _invalid(
            name, value, f"{name}={_show(value)} is not true or false.", "Send true or false."
        )
    return value


def _printable(name: str, text: str) -> None:
    """Refuse what would garble logs, terminals and databases: controls, lone surrogates.

    Also marks that turn the direction of what follows, such as U+202E: Arabic and Hebrew need none
    of them, and one makes the rest of somebody else's line run backwards.
    """
    for position, character in enumerate(text):
        if (
            unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
            or unicodedata.bidirectional(character) in _TURNING
        ):
            raise _invalid(
                name,
                text,
                f"{name} has the control character U+{ord(character):04X} at {position}.",
                "Write plain text on one line.",
            )


def _show(value: Any) -> str:
    """``value`` as a short part of a one-line message."""
    try:
        text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    except ValueError:  # a whole number of thousands of digits
        text = "a number of thousands of digits"
    return text if len(text) <= 40 else text[:39] + "…"


def _invalid(name: str, value: Any, message: str, hint: str) -> InvalidInput:
    shown = value if isinstance(value, bool | type(None)) else _show(value)
    return InvalidInput(
        "request.invalid", message, hint=hint, detail={"name": name, "value": shown}
    )
