"""What well-known libraries do at their first use, done once in a warm process.

The first table that pandas shows and the first plot that matplotlib draws cost twice what the next
ones do: modules are loaded only then, fonts looked for, Python's own code adapts itself. A child of
a process in which that has happened is spared it. Allowed is what no notebook can tell: modules
loaded, caches filled. Settings, figures, registries and random numbers must be afterwards what they
were (:func:`_visible`), and what is drawn belongs to nobody and is thrown away.
"""

from __future__ import annotations

import gc
import importlib
import io
import locale
import logging
import os
import pickle
import random
import sys
import warnings
from collections.abc import Callable
from typing import Any

STEP = "(first use)"
"""The name of this step among the modules that warm processes import one after the other."""
KNOWN = frozenset({"matplotlib", "pandas"})
"""Packages of which there is something to do."""


def use() -> str | None:
    """Do it for all that is loaded here; what could be told afterwards, or ``None``.

    Raises:
        Exception: whatever a library raises.
    """
    before = _visible()
    for needed, act in _ACTS:
        if all(name in sys.modules for name in needed):
            act()
    gc.collect()
    after = _visible()
    changed = sorted(name for name in before if after[name] != before[name])
    return f"its first use changes {', '.join(changed)}" if changed else None


def _visible() -> dict[str, Any]:
    """What a notebook could ask for and see."""
    loaded = sys.modules.get
    seen: dict[str, Any] = {
        "the environment": dict(os.environ),
        "the locale": locale.setlocale(locale.LC_ALL),
        "the filters of warnings": list(warnings.filters),
        "random numbers": random.getstate(),
        "levels of loggers": {
            name: logger.level
            for name, logger in logging.root.manager.loggerDict.items()
            if isinstance(logger, logging.Logger) and logger.level
        },
    }
    if numpy := loaded("numpy"):
        seen["what numpy prints"] = repr(numpy.get_printoptions())
        seen["numpy's errors"] = numpy.geterr()
    if numpy_random := loaded("numpy.random"):
        seen["numpy's random numbers"] = pickle.dumps(numpy_random.get_state())
    if matplotlib := loaded("matplotlib"):
        # Past the lookup that chooses a backend.
        seen["rcParams"] = {
            name: repr(dict.get(matplotlib.rcParams, name)) for name in matplotlib.rcParams
        }
    if units := loaded("matplotlib.units"):
        seen["units of matplotlib"] = {kind: id(one) for kind, one in units.registry.items()}
    if pyplot := loaded("matplotlib.pyplot"):
        seen["figures"] = pyplot.get_fignums()
    if options := loaded("pandas._config.config"):
        seen["options of pandas"] = repr(options._global_config)
    return seen


def _show_table() -> None:
    pandas = sys.modules["pandas"]
    table = pandas.DataFrame(
        {"a": range(8), "b": [number / 2 for number in range(8)], "c": list("abcdefgh")}
    )
    for shown in (table, table.head(3), table.describe(), table["b"]):
        repr(shown)
        html = getattr(shown, "_repr_html_", None)
        if html is not None:
            html()


def _draw() -> None:
    """As a notebook shows a figure (``IPython.core.pylabtools.print_figure``), past pyplot."""
    figure = importlib.import_module("matplotlib.figure").Figure()
    canvas = importlib.import_module("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot([0.0, 1.0, 3.0], [0.0, 2.0, 1.0], label="a")
    axes.set(title="Title", xlabel="x", ylabel="y")
    axes.legend()
    canvas.print_figure(
        io.BytesIO(), format="png", dpi=figure.dpi, facecolor="white", bbox_inches="tight"
    )
    # It keeps the files of fonts open, and lets them go itself in a child that is forked.
    cached: Any = getattr(sys.modules["matplotlib.font_manager"], "_get_font", None)
    if hasattr(cached, "cache_clear"):
        cached.cache_clear()


def _load_plots_of_tables() -> None:
    importlib.import_module("pandas.plotting._matplotlib")


_ACTS: tuple[tuple[tuple[str, ...], Callable[[], None]], ...] = (
    (("pandas",), _show_table),
    (("matplotlib.pyplot",), _draw),
    (("pandas", "matplotlib.pyplot"), _load_plots_of_tables),
)
"""Each with the modules that must be loaded already."""
