"""Baselines as files: JSON in a stable order, so that it diffs well in git."""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import secrets
from typing import Any

from ..core.errors import InvalidInput
from .baseline import SCHEMA, Baseline, Entry, Machine

_MOST_BYTES = 16 * 1024**2


def key_of(file: str, path: str) -> str:
    """The name of a notebook in the file: its path from there, with ``/``."""
    return os.path.relpath(path, os.path.dirname(os.path.abspath(file)))


def is_there(file: str, key: str) -> bool:
    """Whether there still is a notebook of that name."""
    folder = os.path.dirname(os.path.abspath(file))
    # A learner's version is told as "path (learner)" and lives as long as its notebook.
    return any(os.path.exists(os.path.join(folder, one)) for one in (key, key.rpartition(" (")[0]))


def write(baseline: Baseline) -> str:
    """The text of the file."""
    whole = {
        "schema": SCHEMA,
        "machine": _fields(baseline.machine),
        "notebooks": {path: _fields(one) for path, one in sorted(baseline.notebooks.items())},
    }
    return json.dumps(whole, indent=1, sort_keys=False, allow_nan=False) + "\n"


def read(text: str, file: str) -> Baseline:
    """What :func:`write` has written.

    Raises:
        InvalidInput: it is something else, or of a newer version.
    """
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _broken(file, f"it is not JSON ({error})") from None
    schema = whole.get("schema") if isinstance(whole, dict) else None
    if schema != SCHEMA:
        name, _, number = str(schema).rpartition("/")
        if name == SCHEMA.rpartition("/")[0] and number.isdecimal():
            raise InvalidInput(
                "validate.baseline",
                f"The baseline {file!r} is of a newer version ({schema}).",
                hint="Update jupyter-gpuctl, or save it anew with --save-baseline.",
            )
        raise _broken(file, f"its schema is {schema!r:.60}, not {SCHEMA!r}")
    try:
        machine = whole["machine"]
        return Baseline(
            Machine(_text(machine["cpu"]), _count(machine["cores"]), _count(machine["jobs"])),
            {path: _entry(one) for path, one in whole["notebooks"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _broken(file, f"it is not as it must be ({error!r:.80})") from None


def load(file: str, *, missing_ok: bool = False) -> Baseline | None:
    """The baseline in ``file``; ``None``: it isn't there, and needn't be.

    Raises:
        InvalidInput: it can't be read or understood.
    """
    try:
        with open(file, "rb") as opened:
            raw = opened.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise _broken(file, "it is larger than 16 MiB")
        return read(raw.decode(), file)
    except UnicodeDecodeError:
        raise _broken(file, "it is not UTF-8 text") from None
    except FileNotFoundError:
        if missing_ok:
            return None
        raise InvalidInput(
            "validate.baseline",
            f"The baseline {file!r} is not there.",
            hint=f"Make it with --save-baseline {file}.",
        ) from None
    except OSError as error:
        raise InvalidInput(
            "validate.baseline",
            f"The baseline {file!r} can't be read: {error.strerror}.",
            hint="Check its path and mode.",
        ) from None


def save(baseline: Baseline, file: str) -> None:
    """The whole of it or the old file, never half.

    Raises:
        InvalidInput: it can't be written.
    """
    place = os.path.realpath(file)
    scratch = os.path.join(os.path.dirname(place), f".gpuctl-baseline-{secrets.token_hex(6)}")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with open(os.open(scratch, flags, 0o666), "wb") as new:
            new.write(write(baseline).encode())
            new.flush()
            os.fsync(new.fileno())
        os.replace(scratch, place)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(scratch)
        raise InvalidInput(
            "validate.baseline",
            f"The baseline {file!r} can't be written: {error.strerror}.",
            hint="Name a file in a folder that is there and yours.",
        ) from None


def this_machine(jobs: int) -> Machine:
    """The one that we run on, with so many notebooks at a time."""
    model = ""
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        names = (line.partition(":")[2].strip() for line in file if line.startswith("model name"))
        model = next(names, "")
    return Machine(model or platform.machine(), len(os.sched_getaffinity(0)), jobs)


def _fields(value: Machine | Entry) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _entry(value: dict[str, Any]) -> Entry:
    cpu, memory, tier = value["cpu_seconds"], value["memory"], value["tier"]
    return Entry(
        _seconds(value["seconds"]),
        None if cpu is None else _seconds(cpu),
        None if memory is None else _count(memory),
        None if tier is None else _text(tier),
        _text(value["started"]),
        {_text(key): _seconds(one) for key, one in value["cells"].items()},
    )


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{value!r:.30} for seconds")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r:.30} for a number")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.30} for a text")
    return value


def _broken(file: str, why: str) -> InvalidInput:
    return InvalidInput(
        "validate.baseline",
        f"The baseline {file!r} can't be understood: {why}.",
        hint="Mend it, or remove it and save it anew with --save-baseline.",
    )
