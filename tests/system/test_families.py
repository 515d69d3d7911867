"""Processes of several kernels, counted and listed on this machine's ``/proc``."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator

from jupyter_gpuctl.host.trees import Families, kill_all

MARK = "GPUCTL_TEST_FAMILY"


@contextlib.contextmanager
def family(families: Families, name: str, script: str) -> Iterator[int]:
    """The leader of a session of its own that has run ``script``, and waits."""
    with subprocess.Popen(
        ["bash", "-c", f"{script}\necho ready; read wait"],
        env={**os.environ, MARK: name},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as leader:
        assert leader.stdout is not None
        leader.stdout.readline()
        families.follow(leader.pid, name)
        try:
            yield leader.pid
        finally:
            # Until they are gone: the next test's may carry the same mark.
            assert kill_all(lambda: families.members(leader.pid)) == []
            families.leave(leader.pid)


SLEEPS = "for n in 1 2 3; do sleep 600 >/dev/null & done"
LEAVES = f"{SLEEPS}; setsid sleep 600 >/dev/null &"


def test_a_crowd_is_who_stayed_in_the_group_of_processes_of_its_root() -> None:
    families = Families(MARK)
    with family(families, "one", SLEEPS) as one, family(families, "two", "") as two:
        assert families.crowds() == {one: 4, two: 1}
        families.look()
        assert families.crowds() == {one: 4, two: 1}


def test_a_crowd_is_never_more_than_the_family() -> None:
    families = Families(MARK)
    with family(families, "one", LEAVES) as one:
        assert families.crowds()[one] <= len(families.members(one)) == 5


def test_who_is_no_longer_followed_has_no_crowd() -> None:
    families = Families(MARK)
    with family(families, "one", SLEEPS):
        pass
    assert families.crowds() == {}
