"""How benchmarks/courses.py tells runs of a notebook apart: what counts, and what no two share."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.course_outputs import judge, level, worst
from benchmarks.course_tools import Told
from benchmarks.courses import same


def printed(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def result(**data: str) -> dict[str, Any]:
    data = {mime.replace("_", "/"): text for mime, text in data.items()}
    return {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": data}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([printed("ab")], [printed("a"), printed("b")], "identical"),
        (
            [printed("a"), printed("e", "stderr"), printed("b")],
            [printed("ab"), printed("e", "stderr")],
            "identical",
        ),
        ([printed("a"), printed("e", "stderr")], [printed("e", "stderr"), printed("a")], "alike"),
        (
            [result(text_plain="<O at 0x7f0011223344>")],
            [result(text_plain="<O at 0x7f0055667788>")],
            "alike",
        ),
        ([result(image_png="aaaa")], [result(image_png="aaab")], "different"),
        (
            [result(text_plain="1", text_html="<b>1</b>")],
            [result(text_plain="1", text_html="1")],
            "different",
        ),
        ([printed("{'a', 'b'}")], [printed("{'b', 'a'}")], "different"),
        ([printed("a")], [], "different"),
    ],
)
def test_outputs_are_the_same_up_to_what_no_two_runs_share(
    one: list[Any], other: list[Any], expected: str
) -> None:
    assert level(one, other) == level(other, one) == expected


def test_only_a_cell_in_which_cold_runs_differ_is_unsteady() -> None:
    forked = {0: [printed("x")], 1: [printed("x")], 2: [printed("x")]}
    colds = [
        {0: [printed("x")], 1: [printed("y")], 2: [printed("y")]},
        {0: [printed("x")], 1: [printed("z")], 2: [printed("y")]},
    ]
    levels = judge(forked, colds)
    assert levels == {0: "identical", 1: "unsteady", 2: "different"}
    assert worst(levels) == "different"
    assert judge({0: []}, [{}]) == {0: "different"}


@pytest.mark.parametrize(
    ("ours", "theirs", "agree"),
    [
        (Told("skipped"), Told("passed"), True),
        (Told("passed"), Told("failed", "E: x"), False),
        (Told("failed", "E: first\nlast"), Told("failed", "last"), True),
        (Told("failed", "E: x"), Told("failed", "F: x"), False),
        (Told("out-of-memory", "cell 2 reached 3 GiB"), Told("passed"), False),
        (Told("kernel-died", "by SIGKILL"), Told("kernel-died", "Kernel died"), True),
    ],
)
def test_verdicts_are_the_same_if_word_and_error_are(ours: Told, theirs: Told, agree: bool) -> None:
    assert same(ours, theirs) is agree
