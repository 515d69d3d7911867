"""Probes of other packages, by entry point."""

from __future__ import annotations

from importlib.metadata import entry_points

from .ports import Probe

GROUP = "jupyter_gpuctl.probes"
_METHODS = ("open", "devices", "read", "close")


def third_party_probes(group: str = GROUP) -> tuple[list[Probe], list[tuple[str, str]]]:
    """The probes that installed packages offer, and what is wrong with those that don't work.

    An entry point loads to something callable without arguments that gives a ``Probe``. A broken
    one is a problem ``(entry point, message)``, never an exception.
    """
    probes: list[Probe] = []
    problems: list[tuple[str, str]] = []
    names: dict[str, str] = {}
    for entry in sorted(entry_points(group=group), key=lambda entry: (entry.name, entry.value)):
        try:
            probe = entry.load()()
            lacking = [name for name in _METHODS if not callable(getattr(probe, name, None))]
            given = getattr(probe, "name", None)
            name = given if isinstance(given, str) else ""
        except Exception as error:  # whatever another package may raise
            text = str(error) or "no reason given"
            problems.append((entry.name, f"{entry.value}: {type(error).__name__}: {text}"))
            continue
        if not name:
            lacking.insert(0, "name")
        if lacking:
            problems.append((entry.name, f"{entry.value} gives a probe without {lacking[0]!r}"))
        elif name in names:
            problems.append((entry.name, f"{entry.value} is named {name!r}, as {names[name]} is"))
        else:
            names[name] = entry.value
            probes.append(probe)
    return probes, problems
