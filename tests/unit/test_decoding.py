"""What we wrote as JSON is read back as it was."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.core.decoding import decode
from jupyter_gpuctl.core.encoding import encode


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Leaf:
    name: str
    size: int | None = None


@dataclass(frozen=True)
class Tree:
    at: datetime
    colour: Colour
    share: float
    leaf: Leaf | None
    leaves: tuple[Leaf, ...]
    points: tuple[tuple[float, int], ...]
    known: bool


leaves = st.builds(Leaf, name=st.text(), size=st.none() | st.integers())
moments = st.integers(0, 10**12).map(
    lambda ms: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
)
floats = st.floats(allow_nan=False, allow_infinity=False)
trees = st.builds(
    Tree,
    at=moments,
    colour=st.sampled_from(Colour),
    share=floats | st.integers(-100, 100).map(float),
    leaf=st.none() | leaves,
    leaves=st.lists(leaves).map(tuple),
    points=st.lists(st.tuples(floats, st.integers())).map(tuple),
    known=st.booleans(),
)


@given(trees)
def test_what_was_written_is_read_as_it_was(tree: Tree) -> None:
    assert decode(Tree, json.loads(encode(tree))) == tree


def test_fields_of_a_newer_version_are_passed_by() -> None:
    assert decode(Leaf, {"name": "a", "size": 1, "new": [1]}) == Leaf("a", 1)


@pytest.mark.parametrize(
    "value",
    [None, [], "x", {}, {"name": 1}, {"name": None}, {"name": "a", "size": "1"},
     {"name": "a", "size": True}, {"name": "a", "size": 1.5}],
)  # fmt: skip
def test_what_is_something_else_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="Leaf"):
        decode(Leaf, value)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_no_json_breaks_it(value: object) -> None:
    whole = dict.fromkeys(Tree.__dataclass_fields__, value)
    with pytest.raises(ValueError):
        decode(Tree, whole)
