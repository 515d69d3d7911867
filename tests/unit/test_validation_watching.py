"""Which files are opened, as inotify tells."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_gpuctl.validation.past.watching import Seen, Watch, folders_below
from tests.unit.past_course import (
    course,
    python,
    sh,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return course(tmp_path, monkeypatch)


def test_environments_and_tools_in_a_course_are_not_watched() -> None:
    for name in (".git/x", "node_modules/x", ".venv/x", "course/env/lib"):
        Path(name).mkdir(parents=True)
    Path("course/env/pyvenv.cfg").touch()
    found = {os.path.relpath(path) for path in folders_below(".", [os.path.abspath("cache")])}
    assert found == {".", "course", "course/data"}


@pytest.fixture
def watch() -> Iterator[Watch]:
    made = Watch()
    yield made
    made.close()


def test_each_run_hears_what_happened_while_it_ran(watch: Watch) -> None:
    watch.add([os.path.abspath("course")])
    first = watch.begin()
    sh("cat data.csv")
    second = watch.begin()
    sh("echo 1 > new.txt")
    seen, later = watch.end(first), watch.end(second)
    course = os.path.abspath("course")
    assert seen.inputs == {f"{course}/data.csv"}
    assert later.inputs == set()
    assert seen.made == later.made == {f"{course}/new.txt"}


def test_a_flood_of_events_is_said_or_heard_but_never_dropped_in_silence(watch: Watch) -> None:
    watch.add([os.path.abspath("course")])
    token = watch.begin()
    threads = [
        threading.Thread(
            target=python, args=[f"for i in range(2000): open('{name}{{}}'.format(i), 'w')"]
        )
        for name in ("x", "y")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = watch.end(token)
    assert seen.lost or len(seen.made) == 4_000


def test_a_folder_that_is_gone_is_passed_by(watch: Watch) -> None:
    watch.add(["/nowhere/at/all", os.path.abspath("course")])
    token = watch.begin()
    sh("cat data.csv")
    assert watch.end(token).inputs


def test_events_in_another_order_make_other_inputs() -> None:
    seen = Seen()
    for path, mask in [("r", 0x20), ("r", 0x1), ("w", 0x20), ("w", 0x2), ("w", 0x1)]:
        seen.hear(path, mask)
    for path, mask in [("rw", 0x20), ("rw", 0x1), ("rw", 0x2), ("m", 0x100), ("m", 0x1)]:
        seen.hear(path, mask)
    assert seen.inputs == {"r", "rw"}
    assert seen.changed_inputs == {"rw"}
    assert seen.made == {"m"}
