"""From a child of the warm process to a kernel, by way of a worker.

    nursery ── worker ── kernel to be, which waits for the engine's word and then is a kernel

The kernel to be is forked before the worker has done anything, so that nothing of the worker is in
it, and by the worker, so that it belongs to the worker's tree from the first moment.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import importlib.util
import io
import json
import os
import resource
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from ..host.births import give_up_first, keep_only, replace_environment, reset_signals
from ..host.trees import die_with_parent
from .marks import MARK
from .warming import forget_ourselves, reseed, take_back_kernel_ways

LAUNCHER = "ipykernel_launcher"
_LOADED_BY_KERNELS = (
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "ipykernel.debugger",
    "ipykernel.displayhook",
    "ipykernel.iostream",
    "ipykernel.jsonutil",
    "ipykernel.shellchannel",
    "ipykernel.control",
    "ipykernel.subshell_manager",
    "IPython.core.magics",
    "IPython.core.history",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.logger",
    "IPython.core.oinspect",
    "IPython.utils.wildcard",
    "IPython.extensions.storemagic",
    "asyncio",
    "concurrent.futures.thread",
    "debugpy",
    "faulthandler",
    "psutil",
    "sqlite3",
    "pdb",
    "timeit",
    "tornado.platform.asyncio",
)
"""What ipykernel loads, now or in its first moments, so far as this version has it."""
_KERNEL_OUTPUT, _KERNEL_WORD = 7, 8
_FILE: Any = io.IOBase.__base__
"""The class of all files, without the abstract one's slow way to tell an instance."""
_environment: dict[str, str] = {}
"""As the warm process found it."""


def get_ready() -> None:
    """Load what every kernel loads."""
    _environment.update(os.environ)
    for name in _LOADED_BY_KERNELS:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    from jupyter_client.localinterfaces import localhost

    # It looks at the network's interfaces once.
    localhost()


def worker() -> Callable[[], Any] | None:
    """In a child of the nursery. Its descriptors: job, events, errors, the link to the engine,
    the engine's input, its events, its output, the output for the kernel, the kernel's word.
    """
    parent = os.getpid()
    seed = os.fork()
    if seed == 0:
        die_with_parent()
        if os.getppid() != parent:
            os._exit(0)
        return _wait_to_be_a_kernel
    os.close(_KERNEL_OUTPUT)
    os.close(_KERNEL_WORD)
    from .worker import main_forked

    try:
        main_forked(seed)
    finally:
        # Nothing of the warm process needs taking apart.
        os._exit(0)


def _wait_to_be_a_kernel() -> Callable[[], Any]:
    nothing = os.open(os.devnull, os.O_RDONLY)
    keep_only([nothing, _KERNEL_OUTPUT, _KERNEL_OUTPUT, _KERNEL_WORD])
    os.setsid()
    data = b""
    while part := os.read(3, 65536):
        data += part
    os.close(3)
    if not data:
        os._exit(0)
    wanted = json.loads(data)
    for entrance in wanted["entrances"]:
        descriptor = os.open(entrance, os.O_WRONLY)
        os.write(descriptor, b"0")
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    give_up_first()
    os.chdir(wanted["folder"])
    _put_right(wanted)
    command: list[str] = wanted["command"]
    del wanted
    return functools.partial(_be_a_kernel, command)


def _put_right(wanted: Any) -> None:
    changed = {
        name: os.environ.get(name)
        for name in {*os.environ, *_environment}
        if os.environ.get(name) != _environment.get(name)
    }
    replace_environment({**wanted["environment"], "JPY_PARENT_PID": str(os.getppid())})
    for name, value in changed.items():
        # Set by a module that was imported: it would have done so in the notebook.
        if name not in ("MPLBACKEND", MARK):
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    reset_signals()
    take_back_kernel_ways()
    reseed()


def _be_a_kernel(command: list[str]) -> NoReturn:
    from ipykernel.kernelapp import IPKernelApp

    spec = importlib.util.find_spec(LAUNCHER)
    sys.argv = [str(spec.origin) if spec else LAUNCHER]
    sys.argv += command[command.index(LAUNCHER) + 1 :]
    sys.orig_argv = command
    forget_ourselves()
    status: object = 0
    try:
        IPKernelApp.launch_instance(parent_handle=os.getppid())
    except SystemExit as end:
        status = end.code
    _end(status if isinstance(status, int) else int(status is not None))


def _end(status: int) -> NoReturn:
    """What Python does at its end, as far as a notebook can tell.

    That is: wait for its threads, call what it registered, let its objects go, and flush its files.
    The modules of the warm process are not taken apart: to touch each of their objects would copy
    all memory that is shared, a third of the work for a small notebook.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    vars(sys.modules["__main__"]).clear()
    gc.collect()
    for thing in gc.get_objects():
        if isinstance(thing, _FILE):
            with contextlib.suppress(Exception):
                thing.flush()
    os._exit(status)
