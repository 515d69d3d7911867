"""The real command on notebooks that do everything a notebook should not."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

import pytest

from jupyter_gpuctl.validation.limits import TASKS

from .hostile import MORE, SEGMENT, SYSV_KEY, Case, write_case
from .validating import SUPPORT, Run, tagged, validate, wait_for, write_notebook

MIB = 1024**2
LIMIT = 300 * MIB

OUTPUT_WIDGET = """
from comm import create_comm
widget = {"_model_module": "@jupyter-widgets/output", "_model_name": "OutputModel", "outputs": []}
comm = create_comm(target_name="jupyter.widget", data={"state": widget})
def catch(message):
    comm.send({"method": "update", "state": {"msg_id": message}})
"""
CATCH = """
catch(get_ipython().parent_header['header']['msg_id'])
print('caught', flush=True)
catch('')
"""

EAT = """
def eat():
    import time
    held = []
    while True:
        held.append(bytearray(20_000_000))
        time.sleep(0.01)
"""
DOUBLE_FORK = """
import os, time
def escape(then):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            then()
        os._exit(0)
    os.wait()
"""


HOSTILE = {
    "passes": Case(("x = 1", "print(x)"), "passed"),
    "error": Case(
        ("x = 1", "\n# a comment\nprint(df)", "never()"),
        "failed", 1, "cell 2: NameError: name 'df' is not defined", 3, "print(df)",
    ),
    "syntax": Case(("x = 1\nx ==== 2",), "failed", 0, "cell 1: SyntaxError", 2, "x ==== 2"),
    "error in a function": Case(
        ("def f():\n    return 1 / 0", "y = 2\nf()"), "failed", 1, "ZeroDivisionError", 2, "f()",
    ),
    "sleeps": Case(
        ("import time", "a = 1\ntime.sleep(600)"),
        "timed-out", 1, r"cell 2 ran longer than 3\.0 s", 2, "time.sleep(600)",
    ),
    "swallows interrupts": Case(
        ("import time\nfor _ in range(99):\n    try:\n        time.sleep(9)\n"
         "    except KeyboardInterrupt:\n        pass",),
        "timed-out", 0, r"cell 1 ran longer than 3\.0 s",
    ),
    "hides an interrupt": Case(
        ("import time\ntry:\n    time.sleep(9)\nexcept KeyboardInterrupt:\n    pass", "x = 1"),
        "timed-out", 0, "cell 1 ran longer",
    ),
    "sleeps in C": Case(
        ("import ctypes, signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
         "ctypes.CDLL(None).sleep(600)",),
        "timed-out", 0, "cell 1 ran longer", None, "import ctypes, signal",
    ),
    "own timeout": Case(
        ("import time", tagged("time.sleep(600)")), "timed-out", 1, r"cell 2 .* 1\.5 s",
        timeout=1.5,
    ),
    "eats memory": Case(
        (EAT, "eat()"), "out-of-memory", 1, "cell 2 reached 300 MiB", None, "eat()"
    ),
    "children eat memory": Case(
        (EAT, "import multiprocessing\nfork = multiprocessing.get_context('fork')\n"
         "children = [fork.Process(target=eat) for _ in range(3)]\n"
         "[child.start() for child in children]\n[child.join() for child in children]"),
        "out-of-memory", 1, "cell 2 reached 300 MiB",
    ),
    "an escaped grandchild eats memory": Case(
        (EAT + DOUBLE_FORK, "escape(eat)\ntime.sleep(600)"),
        "out-of-memory", 1, "cell 2 reached 300 MiB",
    ),
    "leaves a grandchild": Case(
        (DOUBLE_FORK, "escape(lambda: time.sleep(600))"), "passed",
    ),
    "exits": Case(("import os", "os._exit(3)"), "kernel-died", 1, "exit status 3 in cell 2"),
    "crashes": Case(
        ("import ctypes\nctypes.string_at(0)",), "kernel-died", 0, "killed by SIGSEGV in cell 1"
    ),
    "kills itself": Case(
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",),
        "kernel-died", 0, "killed by SIGKILL in cell 1",
    ),
    "kills its parent": Case(
        (DOUBLE_FORK + "escape(lambda: time.sleep(600))\nos.kill(os.getppid(), 9)\n"
         "time.sleep(600)",),
        "kernel-died", 0, "killed by SIGKILL",
    ),
    "kills the worker": Case(
        (DOUBLE_FORK + "escape(lambda: time.sleep(600))\n"
         "os.kill(os.getsid(os.getppid()), 9)\ntime.sleep(600)",),
        "kernel-died", 0, "killed by SIGKILL",
    ),
    "asks": Case(("input('name? ')",), "failed", 0, "cell 1 asks for input"),
    "expects an error": Case((tagged("1 / 0", "raises-exception"), "x = 1"), "passed"),
    "prints into a widget": Case(
        (OUTPUT_WIDGET, *[CATCH] * 20, "print('free')"),
        "passed",
    ),
    "skips a cell": Case((tagged("1 / 0", "skip-execution"), "x = 1"), "passed"),
    "skips all": Case((tagged("1 / 0", "skip-execution"), "  "), "skipped", reason="no code cell"),
    "prints without end": Case(
        ("while True:\n    print('x' * 100)",), "timed-out", 0, "cell 1 ran longer"
    ),
    "shows what can't be shown": Case(
        ("10**5000",), "failed", 0, "cell 1: ValueError: Exceeds the limit", None, "10**5000"
    ),
    "names its kernel as of old": Case(("x = 1",), "passed", kernel="python"),
    "other kernel": Case(("x",), "invalid", reason="kernel 'nope' is not installed", kernel="nope"),
    "no kernelspec": Case(("x = 1",), "passed", kernel=None),
    "odd % name\n日本": Case(("1 / 0",), "failed", 0),
}  # fmt: skip
HOSTILE |= MORE
TIERS = ["cgroup", "watcher"]
WAYS = [("cgroup", "forked"), ("cgroup", "cold"), ("watcher", "forked")]
ANYWHERE = (
    "passes", "error", "sleeps in C", "eats memory", "children eat memory",
    "an escaped grandchild eats memory", "leaves a grandchild", "exits", "kills its parent",
    "kills the worker", "other kernel", "odd % name\n日本", "fills shared memory",
    "leaves shared memory",
)  # fmt: skip
"""Cases whose verdict may hang on the way; tests/soak/soak_hostile.py tries all in every way."""


def cases_of(run: Run) -> dict[str, Case]:
    """What the run was given."""
    return {name: case for name, case in HOSTILE.items() if f"course/{name}.ipynb" in run.notebooks}


def run_hostile(folder: Path, cases: dict[str, Case], tier: str, start: str) -> Run:
    """All of them in one run; the files are as they were."""
    course = folder / "course"
    course.mkdir()
    for name, case in cases.items():
        write_case(course / f"{name}.ipynb", case)
    (course / "zero.ipynb").touch()
    (course / "text.ipynb").write_text("hello")
    before = {path: path.read_bytes() for path in course.iterdir()}
    # Many of them wait for their limit: more at a time than there are cores.
    run = validate(
        folder, "course", "--cell-time-limit", "3s", "--memory-limit", "300MiB", "--json",
        "--limit-tier", tier, "--jobs", "3", *(["--cold"] if start == "cold" else []),
    )  # fmt: skip
    assert {path: path.read_bytes() for path in course.iterdir()} == before
    return run


def differences(run: Run) -> dict[str, Any]:
    """Name to what was found, of those that did not get their verdict."""
    watched, wrong = "watcher" in run.arguments, {}
    for name, case in cases_of(run).items():
        found = run.notebooks[f"course/{name}.ipynb"]
        if watched and case.watched is not None:
            right = found["verdict"] == case.watched
        else:
            error = found["error"] or {}
            right = (
                (found["verdict"], found["cell"]) == (case.verdict, case.cell)
                and re.search(case.reason, found["reason"]) is not None
                and case.line in (None, error.get("line"))
                and case.source in (None, error.get("source"))
            )
        if not right:
            wrong[name] = found
    return wrong


@pytest.fixture(scope="module", params=WAYS, ids="-".join)
def hostile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run, under one tier, with kernels that are forked or started."""
    tier, start = request.param
    if tier == "cgroup" and SUPPORT.version is None:
        pytest.skip(f"no control group can be limited here: {SUPPORT.reason}")
    cases = HOSTILE
    if request.param != WAYS[0]:
        cases = {name: HOSTILE[name] for name in ANYWHERE}
    return run_hostile(tmp_path_factory.mktemp(f"{tier}-{start}"), cases, tier, start)


def test_each_gets_its_verdict_and_the_others_are_undisturbed(hostile: Run) -> None:
    assert len(cases_of(hostile)) >= len(ANYWHERE)
    assert differences(hostile) == {}


def test_a_killed_run_leaves_nothing(hostile: Run) -> None:
    assert hostile.left_behind() == []
    if "watcher" not in hostile.arguments:
        # A file in memory that no process holds any more is, without a group, as any other file.
        assert not list(Path("/dev/shm").glob(f"{SEGMENT}*"))
    for path in Path("/dev/shm").glob(f"{SEGMENT}*"):
        path.unlink()
    assert f" {SYSV_KEY} " not in Path("/proc/sysvipc/shm").read_text()


def test_the_status_says_that_something_failed(hostile: Run) -> None:
    assert hostile.status == 1


def test_the_report_says_what_held_the_limits(hostile: Run) -> None:
    tier = hostile.arguments[hostile.arguments.index("--limit-tier") + 1]
    expected = "watcher" if tier == "watcher" else f"cgroup v{SUPPORT.version}"
    assert hostile.notebooks["course/passes.ipynb"]["enforced_by"] == expected
    assert f"(enforced by {expected})" in hostile.stderr


def test_the_report_says_how_each_kernel_was_started(hostile: Run) -> None:
    expected = "cold" if "--cold" in hostile.arguments else "forked"
    for name, case in cases_of(hostile).items():
        found = hostile.notebooks[f"course/{name}.ipynb"]
        if case.verdict != "invalid":
            assert (found["started"], found["cold_because"]) == (expected, "")


def test_broken_files_are_invalid_with_the_mend(hostile: Run) -> None:
    for name, told in {"zero": "it is empty (0 bytes)", "text": "it is not JSON"}.items():
        found = hostile.notebooks[f"course/{name}.ipynb"]
        assert found["verdict"] == "invalid"
        assert found["reason"].startswith(told)
        assert found["hint"]


def test_processes_that_held_the_memory_are_named(hostile: Run) -> None:
    held = hostile.notebooks["course/children eat memory.ipynb"]["processes"]
    count = sum(not process["kernel"] for process in held)
    assert count in (2, 3), "the last census before the end may have come before the third"
    assert sum(process["memory"] for process in held) > LIMIT / 2
    assert f"{count} worker processes held" in hostile.stderr


def test_peaks_of_what_ran_out_stand_at_the_limit(hostile: Run) -> None:
    for name in ("eats memory", "children eat memory", "an escaped grandchild eats memory"):
        peak = hostile.notebooks[f"course/{name}.ipynb"]["peak_memory"]
        assert 0.9 * LIMIT < peak < 2 * LIMIT


def test_cells_after_the_one_that_decided_have_not_run(hostile: Run) -> None:
    cells = hostile.notebooks["course/error.ipynb"]["cells"]
    assert [cell["status"] for cell in cells] == ["ok", "error", "not-run"]


def test_no_colour_and_no_movement_reach_a_log(hostile: Run) -> None:
    assert "\x1b" not in hostile.stderr
    assert "\r" not in hostile.stderr
    assert "odd % name\\n日本" in hostile.stderr


@pytest.mark.parametrize("tier", TIERS)
def test_peaks_and_cpu_are_those_of_the_cell_that_used_them(tmp_path: Path, tier: str) -> None:
    if tier == "cgroup" and SUPPORT.version is None:
        pytest.skip(f"no control group can be limited here: {SUPPORT.reason}")
    busy = "import time\nwhile time.process_time() - begun < 1: pass"
    cells = [
        "import time\nbegun = time.process_time()",
        f"a = bytearray({200 * MIB})\ntime.sleep(0.5)",
        "del a\ntime.sleep(0.5)",
        "begun = time.process_time()\n" + busy,
    ]
    write_notebook(tmp_path / "n.ipynb", cells)
    run = validate(tmp_path, "n.ipynb", "--json", "--limit-tier", tier)
    found = run.notebooks["n.ipynb"]["cells"]
    grown = found[1]["peak_memory"] - found[0]["peak_memory"]
    assert grown == pytest.approx(200 * MIB, rel=0.05)
    assert found[3]["peak_memory"] < 100 * MIB
    assert run.notebooks["n.ipynb"]["peak_memory"] == pytest.approx(
        found[1]["peak_memory"], rel=0.01
    )
    assert found[3]["cpu_seconds"] == pytest.approx(1, abs=0.3)
    assert found[2]["cpu_seconds"] < 0.5
    assert run.status == 0


CROWD = """
import threading
over = threading.Event()
for _ in range({count}):
    threading.Thread(target=over.wait, daemon=True).start()
over.wait(30), over.set()
"""


@pytest.mark.parametrize("tier", TIERS)
def test_a_crowd_of_threads_is_kept_small_and_told(tmp_path: Path, tier: str) -> None:
    if tier == "cgroup" and SUPPORT.version is None:
        pytest.skip(f"no control group can be limited here: {SUPPORT.reason}")
    write_notebook(tmp_path / "n.ipynb", ["pass", CROWD.format(count=TASKS + 50)])
    run = validate(tmp_path, "n.ipynb", "--json", "--limit-tier", tier)
    found = run.notebooks["n.ipynb"]
    assert found["cell"] == 1
    if tier == "watcher":
        assert found["verdict"] == "kernel-died"
        assert f"more than {TASKS} processes and threads at once" in found["reason"]
    else:
        assert found["verdict"] == "failed"
        assert "can't start new thread" in found["reason"]


def test_the_notebook_s_own_limit_ends_it_and_says_so(tmp_path: Path) -> None:
    write_notebook(tmp_path / "n.ipynb", ["import time"] + ["time.sleep(1.5)"] * 9)
    run = validate(tmp_path, "n.ipynb", "--time-limit", "4s", "--json")
    found = run.notebooks["n.ipynb"]
    assert found["verdict"] == "timed-out"
    assert re.match(r"the notebook reached 4\.0 s in cell \d", found["reason"])
    assert found["error"]["source"] == "time.sleep(1.5)"


def test_a_notebook_runs_in_its_own_folder_whatever_lies_there(tmp_path: Path) -> None:
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "json.py").write_text("1 / 0")
    (tmp_path / "course" / "data.txt").write_text("here")
    write_notebook(tmp_path / "course" / "n.ipynb", ["assert open('data.txt').read() == 'here'"])
    run = validate(tmp_path, "course", "--report", "json=report.json")
    assert run.status == 0, run.stderr
    assert run.stdout == ""
    assert '"verdict": "passed"' in (tmp_path / "report.json").read_text()


SLEEPER = (
    DOUBLE_FORK + "from pathlib import Path\n"
    "escape(lambda: (Path('grandchild').touch(), time.sleep(600)))\n"
    "while not Path('grandchild').exists(): time.sleep(0.01)\n"
    "Path('ready').touch()\n"
    "time.sleep(600)"
)


@pytest.fixture(params=TIERS)
def sleeper(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """A validation in the middle of its second notebook, with an escaped grandchild."""
    if request.param == "cgroup" and SUPPORT.version is None:
        pytest.skip(f"no control group can be limited here: {SUPPORT.reason}")
    write_notebook(tmp_path / "1.ipynb", ["x = 1"])
    write_notebook(tmp_path / "2.ipynb", [SLEEPER])
    write_notebook(tmp_path / "3.ipynb", ["x = 1"])
    run = Run(tmp_path, [".", "--json", "--jobs", "1", "--limit-tier", request.param])
    run.start()
    wait_for(tmp_path / "ready")
    assert len(run.left_behind()) >= 5
    return run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_reports_what_is_done_and_leaves_nothing(
    sleeper: Run, number: signal.Signals
) -> None:
    sleeper.process.send_signal(number)
    sleeper.finish()
    assert sleeper.left_behind() == []
    assert sleeper.status == 130
    assert sleeper.report["interrupted"] is True
    told = {path: (found["verdict"], found["reason"]) for path, found in sleeper.notebooks.items()}
    assert told == {
        "1.ipynb": ("passed", ""),
        "2.ipynb": ("skipped", "interrupted in cell 1"),
        "3.ipynb": ("skipped", "interrupted before it began"),
    }
    assert "Traceback" not in sleeper.stderr


def test_killed_outright_it_leaves_nothing(sleeper: Run) -> None:
    sleeper.process.kill()
    sleeper.finish()
    assert sleeper.wait_until_nothing_is_left() == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere.ipynb"], "'nowhere.ipynb' is not there."),
        (["empty"], "'empty' holds no notebook."),
        (["no*"], "'no*' matches no notebook."),
        (["n.ipynb", "--time-limit", "soon"], "--time-limit='soon' is not a duration."),
        (["n.ipynb", "--memory-limit", "-1"], "--memory-limit='-1' is not a size."),
        (["n.ipynb", "--memory-limit", "1MiB"], "--memory-limit='1MiB' leaves nothing to run in."),
        (["n.ipynb", "--cell-time-limit", "0"], "--cell-time-limit='0' leaves nothing to run in."),
        (["n.ipynb", "--report", "pdf"], "there is no format 'pdf'. Available: json, junit,"),
        (["n.ipynb", "--report", "json=no/r.json"], "'no/r.json' can't be written."),
        (["n.ipynb", "--jobs", "0"], "--jobs"),
        ([], "PATH..."),
    ],
)
def test_wrong_usage_is_told_before_anything_runs(
    tmp_path: Path, arguments: list[str], told: str
) -> None:
    write_notebook(tmp_path / "n.ipynb", ["open('ran', 'w')"])
    (tmp_path / "empty").mkdir()
    run = validate(tmp_path, *arguments)
    assert run.status == 2
    assert told in run.stderr
    assert "Traceback" not in run.stderr
    assert run.stdout == ""
    assert not (tmp_path / "ran").exists()


def test_another_kernel_can_be_given(tmp_path: Path) -> None:
    write_notebook(tmp_path / "n.ipynb", ["x = 1"], kernel="nope")
    assert validate(tmp_path, "n.ipynb", "--kernel", "python3").status == 0
