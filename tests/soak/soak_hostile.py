"""Every hostile notebook in every way, and how long after its limit each was told.

Run by ``make soak``; not collected by ``make test``. ``-s`` shows the counts.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.system.hostile import SEGMENT, Case
from tests.system.test_validate import HOSTILE, differences, run_hostile
from tests.system.validating import SUPPORT, Run

WAYS = [(tier, start) for start in ("forked", "cold") for tier in ("cgroup", "watcher")]
FRIENDLY = {
    "passes", "expects an error", "skips a cell", "skips all", "no kernelspec", "error", "syntax",
    "error in a function", "prints into a widget",
}  # fmt: skip
"""Cases that are there to be undisturbed."""
BOMB = Case(
    ("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",), "out-of-memory", 0
)
"""Without an end: only where a control group bounds it, or it takes the machine."""


def overruns(run: Run, limit: float) -> dict[str, float]:
    """Name to seconds between the limit of the cell that ran out of time and its end."""
    found = {}
    for path, notebook in run.notebooks.items():
        for cell in notebook["cells"]:
            if cell["status"] == "timed-out":
                name = Path(path).stem
                case = HOSTILE.get(name)
                own = limit if case is None or case.timeout is None else case.timeout
                found[name] = cell["duration"] - own
    return found


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("tier", "start"), WAYS)
def test_every_hostile_notebook_gets_its_verdict_in_every_way(
    tmp_path: Path, tier: str, start: str
) -> None:
    if tier == "cgroup" and SUPPORT.version is None:
        pytest.skip(f"no control group can be limited here: {SUPPORT.reason}")
    hostile = HOSTILE.keys() - FRIENDLY
    assert len(hostile) >= 30
    run = run_hostile(tmp_path, HOSTILE, tier, start)
    late = overruns(run, 3.0)
    verdicts = Counter(one["verdict"] for one in run.notebooks.values())
    longest = max(late, key=lambda name: late[name])
    print(
        f"\n{tier}, {start}: {len(hostile)} hostile notebooks and {len(FRIENDLY)} others in "
        f"{run.report['duration']:.0f} s; {dict(verdicts)}; the longest after its limit: "
        f"{longest!r}, {late[longest]:.2f} s"
    )
    for path in Path("/dev/shm").glob(f"{SEGMENT}*"):
        assert tier == "watcher", path
        path.unlink()
    assert run.wait_until_nothing_is_left() == []
    assert differences(run) == {}


@pytest.mark.skipif(SUPPORT.version is None, reason=f"no control group here: {SUPPORT.reason}")
@pytest.mark.parametrize("start", ["forked", "cold"])
def test_a_fork_bomb_without_end_reaches_the_memory_limit_and_disturbs_nobody(
    tmp_path: Path, start: str
) -> None:
    cases = {"bomb": BOMB, "passes": HOSTILE["passes"]}
    run = run_hostile(tmp_path, cases, "cgroup", start)
    cell = run.notebooks["course/bomb.ipynb"]["cells"][0]
    print(f"\n{start}: the bomb was over after {cell['duration']:.2f} s")
    assert run.wait_until_nothing_is_left() == []
    assert differences(run) == {}
