"""What a process that was forked, and never became another program, must put right by itself.

``exec`` closes descriptors, sets signals back and gives a new environment; here that is done by
hand, so that a child of a warm process can't be told from one that was started.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
from collections.abc import Sequence


def keep_only(descriptors: Sequence[int]) -> None:
    """Make these descriptors 0, 1, 2, 3 …, in this order, and close all others.

    The first three are inherited by what this process starts, the others are not.
    """
    moved = [fcntl.fcntl(number, fcntl.F_DUPFD, len(descriptors)) for number in descriptors]
    for place, number in enumerate(moved):
        os.dup2(number, place, inheritable=place < 3)
    for name in os.listdir("/proc/self/fd"):
        if int(name) >= len(moved):
            with contextlib.suppress(OSError):  # That of the listing itself.
                os.close(int(name))


def mark_environment(name: str, value: str) -> bool:
    """Set ``name``, also in what ``/proc/PID/environ`` shows of this process and its children.

    That is the memory in which the environment was handed over, so the process must have been
    started with a value of the same length. Returns whether it was.
    """
    before = os.environ.get(name, "")
    os.environ[name] = value
    old, new = (f"{name}={text}\0".encode() for text in (before, value))
    if len(old) != len(new):
        return False
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    # proc(5): env_start and env_end are fields 50 and 51; the first of these is field 3.
    begin, end = int(fields[47]), int(fields[48])
    if not 0 < begin < end:
        return False
    found = (b"\0" + ctypes.string_at(begin, end - begin)).find(b"\0" + old)
    if found < 0:
        return False
    ctypes.memmove(begin + found, new, len(new))
    return True


def reset_signals() -> None:
    """As Python sets them when it starts."""
    for number in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):
            if signal.getsignal(number) is not None:
                signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def replace_environment(values: dict[str, str]) -> None:
    """Nothing but ``values``, for this process and all that it starts."""
    os.environ.clear()
    os.environ.update(values)


def give_up_first() -> None:
    """If the machine itself runs out of memory, this is the process to give up."""
    with contextlib.suppress(OSError):
        descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(descriptor, b"500")
        os.close(descriptor)
