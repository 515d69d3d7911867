"""Notebooks that do what a notebook should not, and the verdicts that they must get."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.system.validating import tagged, write_notebook

SEGMENT = "gpuctl-test-"
"""How the names of shared memory begin that these make."""
SYSV_KEY = 0x67707563
ENOUGH = 30
"""Seconds for what takes well under one where nothing else runs."""


@dataclass(frozen=True)
class Case:
    cells: tuple[Any, ...]
    verdict: str
    cell: int | None = None
    reason: str = ""
    """A pattern that the reason holds."""
    line: int | None = None
    source: str | None = None
    kernel: str | None = "python3"
    watched: str | None = None
    """The verdict where the watcher can't see what happens."""
    timeout: float | None = None
    """Seconds that its tagged cell says it may take."""


def write_case(path: Path, case: Case) -> Path:
    """Its notebook; a cell that is to end by something else than its time has enough of it."""
    write_notebook(path, case.cells, case.kernel)
    # nbformat would refuse to write what it reads.
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if case.timeout is None and case.verdict != "timed-out":
            cell["metadata"]["execution"] = {"timeout": ENOUGH}
        elif case.timeout is not None and "tags" in cell["metadata"]:
            cell["metadata"]["execution"] = {"timeout": case.timeout}
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


MORE = {
    "aborts": Case(("import os\nos.abort()",), "kernel-died", 0, "SIGABRT in cell 1"),
    "kills its group": Case(
        ("import os, signal\nos.killpg(0, signal.SIGKILL)",), "kernel-died", 0, "SIGKILL in cell 1"
    ),
    "stops itself": Case(
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",), "timed-out", 0
    ),
    "is traced by its child": Case(
        ("import ctypes, os, time\nkernel = os.getpid()\nif os.fork() == 0:\n"
         "    ctypes.CDLL(None).ptrace(16, kernel, 0, 0)\n    time.sleep(600)\ntime.sleep(600)",),
        "timed-out", 0,
    ),
    "forks in a cell": Case(
        ("import os, signal, time\nfor _ in range(6):\n    if os.fork() == 0:\n"
         "        os.setsid()\n        signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
         "        signal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(600)",),
        "timed-out", 0,
    ),
    "has set an alarm": Case(
        ("import signal, time\nsignal.alarm(1)\ntime.sleep(600)",), "kernel-died", 0, "SIGALRM"
    ),
    "has no room for addresses": Case(
        ("import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))\n"
         "bytearray(2**32)",),
        "failed", 0, "MemoryError",
    ),
    "calls itself": Case(
        ("import sys\nsys.setrecursionlimit(200)\ndef f(): f()\nf()",),
        "failed", 0, "RecursionError",
    ),
    "exits by sys": Case(("import sys\nsys.exit(3)", "x = 1"), "failed", 0, "SystemExit"),
    "raises what is no error": Case(("raise KeyboardInterrupt",), "failed", 0),
    "ends its loop": Case(
        ("import tornado.ioloop\ntornado.ioloop.IOLoop.current().stop()", "x = 1"),
        "kernel-died", 1,
    ),
    "breaks its sockets": Case(
        ("import zmq\ndef lost(*_, **__): raise OSError('lost')\n"
         "zmq.Socket.send_multipart = lost\nimport zmq.eventloop.zmqstream as stream\n"
         "stream.ZMQStream.send_multipart = lost",),
        "timed-out", 0,
    ),
    "removes its connection file": Case(
        ("import os\nfrom ipykernel import get_connection_file\nos.remove(get_connection_file())",
         "x = 1"),
        "passed",
    ),
    "closes its streams": Case(
        ("import os\nos.close(1)\nos.close(2)\nprint('x')", "print('y')"), "passed"
    ),
    "reads its input past Jupyter": Case(("import os\nassert os.read(0, 9) == b''",), "passed"),
    "removes its folder": Case(
        ("import os, tempfile\nos.chdir(tempfile.mkdtemp())\nos.rmdir(os.getcwd())", "x = 1"),
        "passed",
    ),
    "loses its rights": Case(
        ("import os\nos.chmod('.', 0)\nos.chmod('.', 0o755)\nos.umask(0o777)", "x = 1"), "passed"
    ),
    # ipykernel's thread of outputs fails to write halves of surrogate pairs. It then may miss that
    # it was woken once more, and the cell waits for it: 10 s (``OutStream.flush_timeout``).
    "prints surrogates": Case(
        (tagged("print('\\ud800')"), "'\\udcff'"), "passed", timeout=15
    ),
    "writes past Jupyter": Case(("import os\nos.write(1, b'\\xff' * 2_000_000)",), "passed"),
    "prints one long line": Case(("print('x' * 20_000_000, end='')",), "passed"),
    "shows one thing often": Case(
        ("from IPython.display import display\nit = display(0, display_id=True)\n"
         "for n in range(300): it.update(n)",),
        "passed",
    ),
    "shows deep JSON": Case(
        ("from IPython.display import display\nit = []\nfor _ in range(500): it = [it]\n"
         "display({'application/json': it}, raw=True)",),
        "passed",
    ),
    "shows what never ends": Case(
        ("class Endless:\n    def __repr__(self):\n        while True: pass\nEndless()",),
        "timed-out", 0,
    ),
    "shows what raises": Case(
        ("class Broken:\n    def __repr__(self): raise ValueError('no')\nBroken()",), "failed", 0
    ),
    "leaves zombies": Case(
        ("import os\nfor _ in range(20):\n    if os.fork() == 0: os._exit(0)",), "passed"
    ),
    "never ends its thread": Case(
        ("import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()",),
        "passed",
    ),
    "never ends its clean-up": Case(
        ("import atexit, time\natexit.register(time.sleep, 600)",), "passed"
    ),
    "maps what it never touches": Case(
        ("import mmap\nheld = mmap.mmap(-1, 2**37, 0x4022)  # MAP_NORESERVE",), "passed"
    ),
    "leaves shared memory": Case(
        ("from multiprocessing import resource_tracker, shared_memory\n"
         "resource_tracker.register = lambda *_: None\n"
         "held = shared_memory.SharedMemory('gpuctl-test-left', create=True, size=2**20)",
         "import ctypes\nlibc = ctypes.CDLL(None)\n"
         f"libc.shmget({SYSV_KEY}, 2**20, 0o1600)"),
        "passed",
    ),
    "fills shared memory": Case(
        ("file = open('/dev/shm/gpuctl-test-full', 'wb')\n"
         "for _ in range(400): file.write(bytes(2**20))",),
        "out-of-memory", 0, "cell 1 reached 300 MiB", watched="passed",
    ),
}  # fmt: skip
"""All of them are small: what a machine has to be held from is for tests/soak."""
