"""Stored outputs beside new ones: what counts as a difference."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat import v4

from jupyter_gpuctl.core.errors import InvalidInput
from jupyter_gpuctl.validation.events import Differs, Job, from_line, to_line
from jupyter_gpuctl.validation.model import Limits, Tier
from jupyter_gpuctl.validation.outputs import (
    OutputChecks,
    checked,
    difference,
    is_compared,
    normalised,
)

from .notebooks_at_random import outputs, texts

PLAIN = OutputChecks()


def stream(text: str, name: str = "stdout") -> Any:
    return v4.new_output("stream", name=name, text=text)


def shown(**data: Any) -> Any:
    mimes = {name.replace("_", "/", 1): value for name, value in data.items()}
    return v4.new_output("execute_result", data=mimes, execution_count=7)


def failed(value: str, traceback: str = "") -> Any:
    return v4.new_output("error", ename="E", evalue=value, traceback=[traceback])


WIDGET = v4.new_output(
    "display_data",
    data={"application/vnd.jupyter.widget-view+json": {"model_id": "a"}, "text/plain": "Bar(0.3)"},
)
ALIKE = {
    "colours": (stream("\x1b[31mred\x1b[0m"), stream("red")),
    "addresses": (shown(text_plain="<f at 0x7f0011223344>"), shown(text_plain="<f at 0x55aa66bb>")),
    "%time": (
        stream("CPU times: user 3 µs, sys: 1 µs, total: 4 µs\nWall time: 7.15 µs"),
        stream("CPU times: total: 15.6 ms\nWall time: 1.2 s"),
    ),
    "%timeit": (
        stream("10.3 ns ± 0.1 ns per loop (mean ± std. dev. of 7 runs, 100,000,000 loops each)"),
        stream("1.2 ms ± 8 µs per loop (mean ± std. dev. of 7 runs, 1,000 loops each)"),
    ),
    "%timeit that stumbled": (
        stream(
            "The slowest run took 4.00 times longer than the fastest. This could mean that an "
            "intermediate result is being cached.\n1 ms ± 2 μs per loop (mean ± std. dev. of …)\n"
        ),
        stream("2 ms ± 3 μs per loop (mean ± std. dev. of …)\n"),
    ),
    "a summary by statsmodels": (
        stream("Date:      Sun, 22 Nov 2026   Prob\nTime:              23:58:13   Log-L\n"),
        stream("Date:      Mon, 23 Nov 2026   Prob\nTime:              00:00:07   Log-L\n"),
    ),
    "a progress bar": (
        stream("  0%| | 0/9\r 50%| | 4/9\r100%|#| 9/9 [00:12<00:00, 5.6it/s]\n", "stderr"),
        stream("100%|#| 9/9 [00:07<00:00, 9.1it/s]\n", "stderr"),
    ),
    "backspaces": (stream("12\b3"), stream("13")),
    "Keras": (stream("9/9 ━━ 1s 3ms/step - loss: 1"), stream("9/9 ━━ 2s 14ms/step - loss: 1")),
    "sentences on time": (stream("It took 3.41 seconds."), stream("It took 12 seconds.")),
    "temporary files": (
        stream("/tmp/ipykernel_12/345.py:3: W"), stream("/tmp/ipykernel_9/1.py:3: W")),
    "packages": (
        stream("/opt/a/lib/python3.11/site-packages/x.py: W", "stderr"),
        stream("/usr/lib/python3/dist-packages/x.py: W", "stderr"),
    ),
    "blanks at the end": (stream("a  \nb\n\n"), stream("a\nb")),
    "tracebacks": (failed("no", "Cell In[3]"), failed("no", "Cell In[9]")),
    "pictures": (
        shown(image_png="aGk=", text_plain="<F>"), shown(image_png="eW8=", text_plain="<F>")),
    "widgets": (WIDGET, copy.deepcopy(WIDGET)),
    "formats that go with plain text": (
        shown(text_plain="a", text_html="<b id=1>"), shown(text_plain="a", text_html="<b id=2>")),
    "numbers of cells": (stream("see Out[3] and In [4]"), stream("see Out[5] and In [6]")),
}  # fmt: skip
DIFFERENT = {
    "words": (stream("a"), stream("b")),
    "numbers": (shown(text_plain="0.51"), shown(text_plain="0.52")),
    "the kind of stream": (stream("a"), stream("a", "stderr")),
    "lengths of time that are the lesson": (stream("t = 3.2 s"), stream("t = 4.2 s")),
    "indents": (stream("a\n b"), stream("a\nb")),
    "hexadecimals": (stream("0xff"), stream("0xfe")),
    "no picture": (shown(image_png="aGk=", text_plain="<F>"), shown(text_plain="<F>")),
    "another picture": (shown(image_png="aGk="), shown(image_svg="aGk=")),
    "messages": (failed("no"), failed("yes")),
    "counts": (stream("8 runs"), stream("9 runs")),
}


@pytest.mark.parametrize("name", ALIKE)
def test_what_no_two_runs_have_in_common_is_no_difference(name: str) -> None:
    before, after = ALIKE[name]
    assert difference([before], [after], PLAIN, 0) is None


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_would_surprise_a_learner_is_told(name: str) -> None:
    before, after = DIFFERENT[name]
    finding = difference([before], [after], PLAIN, 3)
    assert finding is not None
    assert (finding.rule, finding.cell, finding.fails) == ("output-differs", 3, True)
    assert finding.detail


def test_the_lines_that_differ_are_told() -> None:
    finding = difference([stream("a\nb\nc\nd")], [stream("a\nB\nc\nd")], PLAIN, 0)
    assert finding is not None
    assert finding.detail.splitlines() == [" a", "-b", "+B", " c"]


@pytest.mark.parametrize("lines", [40, 5000])
def test_a_long_difference_is_cut(lines: int) -> None:
    before = stream("\n".join(map(str, range(lines))) + "x" * 5000)
    after = stream("\n".join(map(str, range(1000, 1000 + lines))))
    finding = difference([before], [after], PLAIN, 0)
    assert finding is not None
    assert len(finding.detail.splitlines()) <= 12
    assert max(map(len, finding.detail.splitlines())) <= 160
    assert finding.detail.endswith("…")


def test_streams_count_as_one_however_they_came() -> None:
    pieces = [stream("a"), stream("e", "stderr"), stream("b\n")]
    assert difference(pieces, [stream("ab"), stream("e", "stderr")], PLAIN, 0) is None


def test_a_stream_of_nothing_is_no_output() -> None:
    assert difference([], [stream("\n")], PLAIN, 0) is None


def test_an_output_that_is_missing_or_new_is_a_difference() -> None:
    assert difference([stream("a")], [], PLAIN, 0) is not None
    assert difference([], [shown(text_plain="1")], PLAIN, 0) is not None


def test_pictures_are_compared_on_request() -> None:
    before, after = shown(image_png="aGk="), shown(image_png="eW8=")
    assert difference([before], [after], OutputChecks(images=True), 0) is not None


def test_what_own_patterns_match_is_alike() -> None:
    ignore = OutputChecks(ignore=(r"run \w+", r"\d\d:\d\d"))
    assert difference([stream("run a 10:15")], [stream("run b 9")], ignore, 0) is not None
    assert difference([stream("run a 10:15")], [stream("run b 09:10")], ignore, 0) is None


def test_a_pattern_that_is_none_is_told() -> None:
    with pytest.raises(InvalidInput, match=r"'\(' is not a regular expression"):
        checked(OutputChecks(ignore=("(",)))


@pytest.mark.parametrize(
    ("cell", "count", "compared"),
    [
        (v4.new_code_cell("1"), 1, True),
        (v4.new_code_cell("1"), None, False),
        (v4.new_code_cell("1", metadata={"tags": ["nbval-ignore-output"]}), 1, False),
        (v4.new_code_cell("1", metadata={"tags": ["nbval-skip"]}), 1, False),
        (v4.new_code_cell("1", metadata={"tags": ["skip-output-check"]}), 1, False),
        (v4.new_code_cell("1", metadata={"tags": ["other"]}), 1, True),
        (v4.new_code_cell("# NBVAL_IGNORE_OUTPUT\n1"), 1, False),
        (v4.new_code_cell("x = '# NBVAL_IGNORE_OUTPUT'"), 1, True),
    ],
)
def test_cells_say_whether_they_are_compared(cell: Any, count: int | None, compared: bool) -> None:
    assert is_compared(cell, count, []) is compared


def test_what_is_compared_travels_between_the_processes() -> None:
    checks = OutputChecks(ignore=("a", "b"), images=True)
    job = Job("n", Limits(), None, Tier.WATCHER, "g", "s", source="x", check_outputs=checks)
    assert from_line(to_line(job)) == job
    finding = difference([stream("a")], [stream("b")], PLAIN, 0)
    assert finding is not None
    assert from_line(to_line(Differs(finding))) == Differs(finding)


@settings(max_examples=100, deadline=None)
@given(texts, st.sampled_from([(), ("a",), (".*",), ("x*",), (r"\d+", "…")]))
def test_making_alike_twice_changes_nothing_more(text: str, ignore: tuple[str, ...]) -> None:
    once = normalised(text, ignore)
    assert normalised(once, ignore) == once


@settings(max_examples=60, deadline=None)
@given(st.lists(outputs, max_size=4), st.booleans())
def test_equal_outputs_have_no_difference(some: list[Any], images: bool) -> None:
    assert difference(some, copy.deepcopy(some), OutputChecks(images=images), 0) is None


@settings(max_examples=60, deadline=None)
@given(st.lists(outputs, max_size=3), st.lists(outputs, max_size=3))
def test_whatever_differs_can_be_told(before: list[Any], after: list[Any]) -> None:
    there, back = difference(before, after, PLAIN, 0), difference(after, before, PLAIN, 0)
    assert (there is None) == (back is None)
    if there is not None:
        assert 0 < len(there.detail.splitlines()) <= 200
