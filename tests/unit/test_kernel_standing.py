"""How it stands between a kernel and its leases, and how its language is told. Pure."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.kernels.languages import LIVE, RESTART, python_expression, statement
from jupyter_gpuctl.kernels.model import Applied, Attachment
from jupyter_gpuctl.kernels.standing import message, standing
from jupyter_gpuctl.leases.model import Lease, LeaseStatus, Request
from jupyter_gpuctl.leases.policy import Policy, Strength

QUEUED, OFFERED, ACTIVE, ENDED = LeaseStatus
ALL, NONE = Policy(), Policy(unleased_devices=False)


def lease(name, status=ACTIVE, *devices, owner="user-a", kernel="k-1", started=1.0):
    return Lease(
        name, owner, Request(1000, 60), status, 0.0, devices, started_at=started, kernel_id=kernel
    )


def test_devices_are_those_of_active_leases_in_the_order_of_their_start():
    found = standing(
        [
            lease("3", QUEUED),
            lease("2", ACTIVE, "GPU-b", "GPU-a", started=2.0),
            lease("1", ACTIVE, "GPU-a", started=1.0),
            lease("4", OFFERED, "GPU-c"),
            lease("5", ACTIVE, "GPU-d", owner="user-b"),
            lease("6", ACTIVE, "GPU-e", kernel="k-2"),
        ],
        "user-a",
        "k-1",
    )
    assert [each.id for each in found.leases] == ["1", "2", "4", "3"]
    assert found.devices == ("GPU-a", "GPU-b")
    assert found.attachment is Attachment.ATTACHED
    assert found.wanted(NONE) == found.wanted(ALL) == ("GPU-a", "GPU-b")


@pytest.mark.parametrize(
    ("leases", "attachment"),
    [
        ([], Attachment.NONE),
        ([lease("1", QUEUED)], Attachment.QUEUED),
        ([lease("1", QUEUED), lease("2", OFFERED, "GPU-a")], Attachment.OFFERED),
    ],
)
def test_without_an_active_lease_policy_says_what_a_kernel_sees(leases, attachment):
    found = standing(leases, "user-a", "k-1")
    assert found.attachment is attachment
    assert found.wanted(ALL) is None
    assert found.wanted(NONE) == ()


@pytest.mark.parametrize("applied", list(Applied))
@pytest.mark.parametrize("policy", [ALL, NONE, Policy(strength=Strength.GUARDED)])
@pytest.mark.parametrize("status", [None, QUEUED, OFFERED, ACTIVE])
def test_every_standing_is_told_in_sentences(applied, policy, status):
    leases = [] if status is None else [lease("1", status, "GPU-a")]
    found = standing(leases, "user-a", "k-1")
    said = message(found, policy, applied, why="It has used CUDA.", notebook="a/train.ipynb")
    assert said.endswith(".")
    assert "\n" not in said
    if applied is Applied.RESTART:
        assert "The variables of train.ipynb are lost then." in said
    if applied is Applied.WHEN_IDLE and status is None and policy.strength is Strength.GUARDED:
        assert "after 5 min is stopped" in said


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
NAMES = st.sampled_from(["CUDA_VISIBLE_DEVICES", "GPUCTL_TEST_A", "GPUCTL_TEST_B"])
ENV = st.dictionaries(NAMES, st.none() | TEXT, max_size=3)


@given(ENV)
def test_python_sets_and_removes_variables_and_leaves_no_names(env):
    before = dict(os.environ)
    names = {}
    try:
        assert eval(python_expression(env), names) == LIVE
        assert {name: os.environ.get(name) for name in env} == env
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert set(names) <= {"__builtins__"}


def test_python_refuses_by_itself_once_the_drivers_library_is_loaded(cuda_stand_in):
    code = (
        f"import ctypes, os; ctypes.CDLL({str(cuda_stand_in)!r}); "
        f"print({python_expression({'GPUCTL_TEST': 'x'})}, 'GPUCTL_TEST' in os.environ)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [RESTART, "False"]


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_a_shell_is_told_whatever_the_value_is(shell):
    value = 'GPU-1, it\'s $HOME `x` \\ "y"'
    code = statement(shell.upper(), {"A": value, "B": None})
    done = subprocess.run(
        [shell, "-c", f"{code}\nenv"], env={"B": "1"}, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert f"A={value}" in lines
    assert not any(line.startswith("B=") for line in lines)


@pytest.mark.parametrize(
    ("language", "lines"),
    [
        ("R", ['invisible(Sys.setenv(A = "GPU-1"))', 'invisible(Sys.unsetenv("B"))']),
        ("julia", ['(ENV["A"] = "GPU-1"; nothing);', '(delete!(ENV, "B"); nothing);']),
        ("ruby", ['ENV["A"] = "GPU-1"; nil', 'ENV.delete("B"); nil']),
        ("octave", ["setenv('A', 'GPU-1');", "unsetenv('B');"]),
    ],
)
def test_other_languages_are_told_by_a_statement_that_shows_nothing(language, lines):
    assert statement(language, {"A": "GPU-1", "B": None}) == "\n".join(lines)


def test_a_language_that_nobody_has_told_us_of_is_not_guessed():
    assert statement("brainfuck", {"A": "1"}) is None
    assert statement("", {"A": "1"}) is None
