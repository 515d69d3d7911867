"""The traits of ``GpuCtl``: everything that can be configured, each with its help.

Read from ``jupyter_server_config.py`` (or ``.json``), from ``--GpuCtl.x=…`` on the command line,
and from the environment (``GPUCTL_SAMPLE_INTERVAL``). The command line wins over the files, the
files over the environment.
"""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Mapping
from typing import Any

from traitlets import Bool, Float, Int, TraitError, TraitType, validate
from traitlets.config import Config, Configurable

from .core.errors import InvalidConfig
from .core.quantities import parse_duration

ENVIRONMENT_PREFIX = "GPUCTL_"
MIN_INTERVAL = 0.1
MAX_SIMULATED = 64


class Duration(Float[float, Any]):
    """Seconds; also reads ``"500ms"`` or ``"2s"``."""

    def validate(self, obj: Any, value: Any) -> float:
        if isinstance(value, str):
            value = parse_duration(value, name=self.name or "duration")
        return float(super().validate(obj, value))

    def from_string(self, s: str) -> float:
        return parse_duration(s, name=self.name or "duration")


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
                    f"{variable}={environ[variable]!r} can't be read: {error}",
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
