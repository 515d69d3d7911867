"""Every hostile notebook with its kernel in a container. Run by ``make soak``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.docker_engine import engine, image
from tests.system.hostile import write_case
from tests.system.test_validate import HOSTILE, LIMIT, cases_of, differences
from tests.system.test_validate_containers import IGNORED, give, ours
from tests.system.validating import validate

AS_ROOT = {"loses its rights"}
"""Takes the course from its user, and so from the others."""


@pytest.mark.timeout(1800)
def test_every_hostile_notebook_gets_its_verdict_in_a_container(tmp_path: Path) -> None:
    course = tmp_path / "course"
    course.mkdir()
    for name in HOSTILE.keys() - AS_ROOT:
        write_case(course / f"{name}.ipynb", HOSTILE[name])
    give(course)
    with engine() as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", address)
        with image() as named:
            run = validate(
                tmp_path, "course", "--cell-time-limit", "3s", "--memory-limit", f"{LIMIT}B",
                "--json", "--jobs", "3", "--engine", "docker", "--image", named,
            )  # fmt: skip
            assert ours() == run.left_behind() == []
    assert len(cases_of(run)) == len(HOSTILE) - len(AS_ROOT)
    wrong = {name: (found["verdict"], found["reason"]) for name, found in differences(run).items()}
    assert wrong.keys() == IGNORED, wrong
