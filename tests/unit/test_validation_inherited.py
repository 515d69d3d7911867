"""What a forked kernel holds of the warm process' memory, from two accounts that lag."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.validation.limits import Inherited

MIB = 1024**2
START = 30


def told(*readings: tuple[int, int | None, int], written: int = 0) -> int:
    """MiB at last, after readings of (mapped, charged, shared) in MiB; it began with ``START``."""
    asked = [START - written]
    inherited = Inherited(1, START * MIB, lambda: asked[-1] * MIB)
    for mapped, charged, shared in readings:
        asked.append(shared)
        inherited.add(mapped * MIB, None if charged is None else charged * MIB)
    return inherited.now // MIB


def test_what_was_copied_is_its_own() -> None:
    assert told((30, 5, 25)) == 25
    assert told((30, 5, 24)) == 25, "what the warm process wrote to is shared no more, but not ours"
    assert told((30, 5, 23), written=2) == 25
    assert told((30, 5, 25), (730, 700, 25)) == 25, "it can only fall"


def test_what_is_being_freed_is_unmapped_before_it_is_off_the_account() -> None:
    assert told((400, 410, 30), (370, 378, 30), (30, 0, 30)) == 30
    assert told((400, 410, 28), (370, 378, 28), (30, 0, 28), written=2) == 30


def test_children_are_on_the_same_account() -> None:
    assert told((30, 200, 30), (30, None, 10)) == 30


def test_nothing_is_held_after_the_end() -> None:
    assert told((30, 0, 30), (0, 0, 0)) == 0


STEP = st.tuples(st.integers(0, 3), st.integers(0, 1000), st.integers(0, 40), st.integers(0, 2))


@given(st.lists(STEP, max_size=30))
def test_it_is_never_less_than_is_shared_nor_much_more_when_all_is_told(
    steps: list[tuple[int, int, int, int]],
) -> None:
    """Each step copies and holds so much of its own, of which so much is freed, and not told."""
    held, unseen = START, 0
    inherited = Inherited(1, START * MIB, lambda: (held - unseen) * MIB)
    for copied, own, late, written in steps:
        held, unseen = max(0, held - copied), min(held, unseen + written)
        mapped = START + own
        found = inherited.add(mapped * MIB, (mapped - held + late) * MIB)
        assert (held - unseen) * MIB <= found
        if unseen == 0:
            assert found >= held * MIB
    found = inherited.add(START * MIB, (START - held) * MIB)
    assert found <= held * MIB
