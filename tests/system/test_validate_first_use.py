"""The first use of libraries in a warm process: taken ahead, and not to be told by a notebook."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid

import pytest

from jupyter_gpuctl.validation.nurseries import Nurseries

LOAD = """
import json, random, sys, warnings
import numpy, pandas
try:
    import matplotlib, matplotlib.pyplot as plt, matplotlib.units as units
except ImportError:
    matplotlib = None
from jupyter_gpuctl.validation import first_use

def seen():
    found = {
        "random": repr(random.getstate()),
        "numpy": [numpy.random.get_state()[1].tolist(), numpy.random.get_state()[2:]],
        "errors": numpy.geterr(),
        "prints": repr(numpy.get_printoptions()),
        "options": repr(pandas._config.config._global_config),
        "warnings": repr(warnings.filters),
        "descriptors": len(__import__("os").listdir("/proc/self/fd")),
    }
    if matplotlib:
        found["settings"] = repr(dict(matplotlib.rcParams))
        found["figures"] = plt.get_fignums()
        found["units"] = repr(units.registry)
    return found

def drawn():
    table = pandas.DataFrame({"x": range(5), "y": numpy.random.default_rng(1).normal(size=5)})
    shown = [repr(table), table._repr_html_(), table.describe()._repr_html_()]
    if matplotlib:
        import base64, io
        file = io.BytesIO()
        table.plot(x="x", y="y", title="A title").figure.savefig(file, bbox_inches="tight")
        shown.append(base64.b64encode(file.getvalue()).decode())
    return shown

"""
USED = """
before = seen()
told = first_use.use()
after = seen()
changed = [name for name in before if before[name] != after[name]]
loaded = "pandas.io.formats.html" in sys.modules
print(json.dumps([told, changed, loaded, drawn()]))
"""
UNUSED = 'print(json.dumps([None, [], "pandas.io.formats.html" in sys.modules, drawn()]))'


def result(code: str) -> list[object]:
    import json

    command = [sys.executable, "-W", "ignore", "-c", LOAD + code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: list[object] = json.loads(done.stdout)
    return found


def test_a_first_use_leaves_no_trace_but_what_is_loaded_and_shows_the_same() -> None:
    pytest.importorskip("pandas")
    used, unused = result(USED), result(UNUSED)
    assert used[:3] == [None, [], True]
    assert unused[:3] == [None, [], False]
    assert used[3] == unused[3]


@pytest.mark.parametrize(
    ("act", "what"),
    [
        ("pandas.set_option('display.max_rows', 7)", "options of pandas"),
        ("random.random()", "random numbers"),
        ("numpy.random.random()", "numpy's random numbers"),
        ("__import__('os').environ.update(LEFT='yes')", "the environment"),
        ("warnings.simplefilter('ignore')", "the filters of warnings"),
        ("__import__('logging').getLogger('left').setLevel(10)", "levels of loggers"),
    ],
)
def test_a_first_use_that_a_notebook_could_tell_is_refused(act: str, what: str) -> None:
    pytest.importorskip("pandas")
    code = f"first_use._ACTS = ((('pandas',), lambda: {act}),)\n"
    told = result(code + "print(json.dumps([first_use.use()]))")
    assert told == [f"its first use changes {what}"]


@pytest.mark.parametrize("library", ["pandas", "matplotlib.pyplot"])
def test_many_notebooks_are_forked_from_a_process_that_has_used_its_libraries(library: str) -> None:
    pytest.importorskip(library)
    nurseries = Nurseries(uuid.uuid4().hex)
    try:
        first, left_out = nurseries.kernels((library,))
        if left_out:
            pytest.skip(f"not imported ahead here: {left_out[0]}")
        again, _ = nurseries.kernels((library,))
        assert again is first
        deadline = time.monotonic() + 120
        while (used := nurseries.kernels((library,), often=True)[0]) is first:
            assert time.monotonic() < deadline
            time.sleep(0.05)  # Nobody is told: until then the former serves.
        assert used.memory >= first.memory
    finally:
        nurseries.close()
