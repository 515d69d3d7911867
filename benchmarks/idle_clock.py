"""A process that only sleeps: ``python idle_clock.py`` prints, once ended, how late it woke.

Whatever it waits beyond what it asked for, the machine and not a server has caused: a host that
lends the core to others, a page that must be read again. Beside a server's longest answers it
tells how much of them is the server's own doing.
"""

from __future__ import annotations

import signal
import time

STEP = 0.005


def main() -> None:
    """Sleep in steps until SIGTERM; print the longest delay in seconds."""
    going = True

    def end(*_: object) -> None:
        nonlocal going
        going = False

    signal.signal(signal.SIGTERM, end)
    longest = 0.0
    while going:
        began = time.perf_counter()
        time.sleep(STEP)
        longest = max(longest, time.perf_counter() - began - STEP)
    print(longest)


if __name__ == "__main__":
    main()
