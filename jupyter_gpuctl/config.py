"""The traits of ``GpuCtl``: everything that can be configured, each with its help.

Read from ``jupyter_server_config.py`` (or ``.json``), from ``--GpuCtl.x=…`` on the command line,
and from the environment (``GPUCTL_SAMPLE_INTERVAL``). The command line wins over the files, the
files over the environment.
"""

from __future__ import annotations

import difflib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from traitlets import Bool, CaselessStrEnum, Float, Int, TraitError, TraitType, Unicode, validate
from traitlets.config import Config, Configurable

from .core.errors import GpuCtlError, InvalidConfig
from .core.quantities import parse_bytes, parse_duration

ENVIRONMENT_PREFIX = "GPUCTL_"
MIN_INTERVAL = 0.1
MAX_SIMULATED = 64
LONGEST_OFFER = 24 * 3600
LONGEST_LEASE = 366 * 24 * 3600


class Duration(Float[float, Any]):
    """Seconds; also reads ``"500ms"`` or ``"2s"``."""

    def validate(self, obj: Any, value: Any) -> float:
        if isinstance(value, str):
            value = parse_duration(value, name=self.name or "duration")
        return float(super().validate(obj, value))

    def from_string(self, s: str) -> float:
        return parse_duration(s, name=self.name or "duration")


class Quotas(TraitType[Any, Any]):
    """The whole path of a YAML file, or a mapping; ``None`` where there are no quotas."""

    info_text = "the whole path of a YAML file, or a mapping"

    def validate(self, obj: Any, value: Any) -> str | Mapping[str, Any] | None:
        if value is None or value == "":
            return None
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        if isinstance(value, str):
            return _whole_path(value)
        if isinstance(value, Mapping):
            return value
        raise TraitError(
            f"GpuCtl.{self.name}={_short(value)} is neither a path nor a mapping. "
            "Set it to the path of a YAML file."
        )

    def from_string(self, s: str) -> Any:
        """A path, or a mapping as JSON."""
        if not s.lstrip().startswith("{"):
            return s
        return _json(s, str(self.name))


class Limits(TraitType[Any, Any]):
    """A mapping of memory and disk in bytes, pids and cpu; a limit must not vanish by a slip."""

    info_text = 'a mapping such as {"memory": "4GiB", "pids": 500}'

    def validate(self, obj: Any, value: Any) -> Mapping[str, int | float]:
        if not isinstance(value, Mapping):
            raise TraitError(
                f"GpuCtl.{self.name}={_short(value)} is not {self.info_text}. Write one."
            )
        return {str(name): self._limit(str(name), given) for name, given in value.items()}

    def from_string(self, s: str) -> Any:
        """A mapping as JSON."""
        return _json(s, str(self.name))

    def _limit(self, name: str, value: Any) -> int | float:
        if name not in _LIMITS:
            known = ", ".join(_LIMITS)
            raise TraitError(f"GpuCtl.{self.name} has {name!r}, which is none of {known}.")
        least, mend = _LIMITS[name]
        found: Any = value
        if name in ("memory", "disk"):
            try:
                found = parse_bytes(value)
            except GpuCtlError:
                found = None
        number = isinstance(found, int | float if name == "cpu" else int)
        if isinstance(found, bool) or not number or not least <= found < math.inf:
            raise TraitError(
                f"GpuCtl.{self.name}[{name!r}]={_short(value)} can't be a limit. Write {mend}."
            )
        return float(found) if name == "cpu" else int(found)


_LIMITS: Mapping[str, tuple[float, str]] = {
    "memory": (64 * 1024**2, 'a size of at least 64 MiB, such as "4GiB"'),
    "pids": (16, "a whole number of at least 16, such as 500"),
    "cpu": (0.1, "a number of cores of at least 0.1, such as 2"),
    "disk": (1024**2, 'a size of at least 1 MiB, such as "20GiB"'),
}


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise TraitError(f"GpuCtl.{name} is not JSON: {error}.") from error


def _whole_path(text: str) -> str:
    path = os.path.expanduser(text)
    if not os.path.isabs(path) or "\0" in path:
        # Servers and commands that read one configuration run in different folders.
        raise TraitError(
            f"GpuCtl.quotas={_short(text)} is not a whole path. "
            f"Write it from the root on, such as {os.path.abspath('quotas.yaml')}."
        )
    return path


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} is written twice")
        found[name] = value
    return found


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


@dataclass(frozen=True, slots=True)
class _Range:
    """What a number may be, and how that is said."""

    least: float
    most: float
    words: str
    mend: str
    zero: bool = False
    """Whether 0 may be, too: never, or without an end."""


_IDLE = _Range(
    1,
    LONGEST_LEASE,
    "a second and a year",
    'Set it to "30m", for half an hour, or to 0, for never.',
    zero=True,
)
_RANGES: Mapping[str, _Range] = {
    "offer_window": _Range(
        1, LONGEST_OFFER, "a second and a day", 'Set it to "10m", for ten minutes.'
    ),
    "max_lease": _Range(
        60,
        LONGEST_LEASE,
        "a minute and a year of seconds",
        'Set it to "8h", for eight hours.',
    ),
    "idle_after": _IDLE,
    "idle_grace": _IDLE,
    "max_validations": _Range(1, 16, "1 and 16", "Set it to 1, for one after the other."),
    "retention_days": _Range(
        7,
        36500,
        "7 and 36500 days",
        "Set it to 365, for a year, or to 0, for ever.",
        zero=True,
    ),
}


class GpuCtl(Configurable):
    """Configuration of jupyter-gpuctl."""

    simulate_gpus = Int(
        0,
        help="""How many GPUs to simulate, for demonstrations and machines without any. 0: none.
        -1: two, but only where no driver is found. The panel says that they are simulated.""",
    ).tag(config=True)

    sample_interval = Duration(
        1.0,
        help="""Seconds between two readings of all GPUs while somebody looks; at least 0.1.
        While nobody looks, a reading is taken every ten seconds. Also read: "500ms", "2s".""",
    ).tag(config=True)

    pcie_throughput = Bool(
        False,
        help="""Read PCIe throughput too. Off by default: the driver blocks for 20 ms for each of
        two counters of each GPU at each reading.""",
    ).tag(config=True)

    quotas = Quotas(
        None,
        help="""What users and groups may hold, spend and keep: the whole path of a YAML file, which
        is read again when it changes, or a mapping with default, users, groups and reservations.
        None: no quotas; whoever asks first holds what there is, for max_lease at most.""",
        allow_none=True,
    ).tag(config=True)

    database_url = Unicode(
        "",
        help="""Where leases are kept: sqlite:////whole/path. Servers that name the same file share
        one queue. Empty: a file of this user's own, in the Jupyter data directory.""",
    ).tag(config=True)

    offer_window = Duration(
        600.0,
        help="""Seconds within which somebody who has waited must accept the GPU that is offered;
        from 1 second to a day. Not charged until then. Also read: "10m".""",
    ).tag(config=True)

    max_lease = Duration(
        86400.0,
        help="""Seconds of the longest lease where no quota says otherwise; from a minute to a year.
        Also read: "8h", "2d".""",
    ).tag(config=True)

    enforcement = CaselessStrEnum(
        ["off", "advisory", "guarded", "isolated"],
        "advisory",
        help="""How strongly leases are enforced. off: kernels are left as they are. advisory:
        they are told their GPUs (CUDA_VISIBLE_DEVICES), and who uses others is told of. guarded:
        processes on GPUs that they don't hold are stopped too, where guard_mode is enforce.
        isolated: kernels run in containers that have no other GPUs; until they do, as guarded.""",
    ).tag(config=True)

    guard_mode = CaselessStrEnum(
        ["dry-run", "enforce"],
        "dry-run",
        help="""What a guard does about a process on a GPU that it doesn't hold. dry-run: it says
        what it would do. enforce: it warns, then stops the process.""",
    ).tag(config=True)

    idle_after = Duration(
        2400.0,
        help="""Seconds after which the owner of a lease on which nothing runs is asked whether to
        keep it; 0: never. Also read: "40m".""",
    ).tag(config=True)

    idle_grace = Duration(
        600.0,
        help="""Seconds after that question until an idle lease is given back, if nobody has
        answered; 0: it is asked, and never given back by itself. Also read: "10m".""",
    ).tag(config=True)

    retention_days = Int(
        365,
        help="""Days for which ended leases and the rows of the audit are kept; at least 7; 0: for
        ever. What a window of GPU-hours still counts is kept as long as it does.""",
    ).tag(config=True)

    default_limits = Limits(
        {},
        help="""What each kernel and each container may use, with all that it starts: a mapping
        with memory ("4GiB"), pids (processes and threads), cpu (cores) and disk (containers only).
        What is left out is not limited.""",
    ).tag(config=True)

    max_validations = Int(
        1,
        help="""How many validations that people start from JupyterLab run at a time; the others
        wait. From 1 to 16. The command line is not limited.""",
    ).tag(config=True)

    @validate("simulate_gpus")
    def _check_simulate_gpus(self, proposal: Mapping[str, Any]) -> int:
        value: int = proposal["value"]
        if not -1 <= value <= MAX_SIMULATED:
            raise TraitError(
                f"GpuCtl.simulate_gpus={value} is not between -1 and {MAX_SIMULATED}. "
                "Set 0 for none, -1 for two where no driver is found."
            )
        return value

    @validate("sample_interval")
    def _check_sample_interval(self, proposal: Mapping[str, Any]) -> float:
        value: float = proposal["value"]
        if not MIN_INTERVAL <= value <= 3600 or not math.isfinite(value):
            raise TraitError(
                f"GpuCtl.sample_interval={value:g} is not between {MIN_INTERVAL:g} and 3600 "
                "seconds. Set it to 1, for one reading a second."
            )
        return value

    @validate("database_url")
    def _check_database_url(self, proposal: Mapping[str, Any]) -> str:
        url: str = proposal["value"]
        path = url.removeprefix("sqlite:///")
        if url and (path == url or path[:1] not in ("/", "~") or "\0" in path):
            # Without the value: the URL of another kind of database may hold a password.
            raise TraitError(
                "GpuCtl.database_url is not the URL of a SQLite file with its whole path. "
                "Write sqlite:////whole/path/gpuctl.sqlite, with four slashes, or leave it empty."
            )
        return url

    @validate(*_RANGES)
    def _check_range(self, proposal: Mapping[str, Any]) -> Any:
        value, name = proposal["value"], proposal["trait"].name
        range_ = _RANGES[name]
        if not (range_.least <= value <= range_.most or (value == 0 and range_.zero)):
            raise TraitError(
                f"GpuCtl.{name}={value:g} is {'neither 0 nor' if range_.zero else 'not'} between "
                f"{range_.words}. {range_.mend}"
            )
        return value


def _settings() -> dict[str, TraitType[Any, Any]]:
    return GpuCtl.class_traits(config=True)


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """The values of ``GPUCTL_*`` variables that name a trait.

    Variables that name none are left alone: other programs may use the prefix.

    Raises:
        InvalidConfig: a value that can't be read; names the variable.
    """
    values = {}
    for name, trait in _settings().items():
        variable = ENVIRONMENT_PREFIX + name.upper()
        if variable in environ:
            try:
                values[name] = trait.from_string(environ[variable])
            except Exception as error:
                raise InvalidConfig(
                    "config.invalid",
                    f"{variable}={_short(environ[variable])} can't be read: {error}",
                    hint="Mend or unset the variable.",
                ) from error
    return values


def load_config(config: Config, environ: Mapping[str, str] = os.environ) -> GpuCtl:
    """The settings of ``config`` (command line and files), over those of the environment.

    Raises:
        InvalidConfig: an unknown trait or a value that can't be; names it, with the mend.
    """
    given = dict(config.get("GpuCtl", Config()).items())
    for name in given:
        if name not in _settings():
            close = difflib.get_close_matches(name, _settings(), n=1)
            raise InvalidConfig(
                "config.invalid",
                f"GpuCtl.{name} is not a setting of jupyter-gpuctl.",
                hint=f"Did you mean GpuCtl.{close[0]}?"
                if close
                else f"The settings are: {', '.join(sorted(_settings()))}.",
            )
    values = _from_environment(environ)
    merged = Config({"GpuCtl": values | given})
    try:
        return GpuCtl(config=merged)
    except (TraitError, InvalidConfig) as error:
        raise InvalidConfig(
            "config.invalid",
            str(error),
            hint="Mend it in jupyter_server_config.py, on the command line, or in the "
            f"environment ({ENVIRONMENT_PREFIX}…).",
        ) from error
    except Exception as error:  # InvalidInput of a quantity, surprises of a trait
        raise InvalidConfig("config.invalid", f"GpuCtl can't be configured: {error}") from error
