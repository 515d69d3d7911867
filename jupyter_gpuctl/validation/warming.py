"""Importing a module into a process that is to be forked, and looking whether it still may be.

After a fork nothing remains of threads, and what is open is shared with all siblings. Nor may an
import be taken ahead that does something which a notebook would show: prints, or asks which
kernel it is in.
"""

from __future__ import annotations

import builtins
import gc
import os
import signal
import sys
from dataclasses import dataclass
from itertools import takewhile
from types import ModuleType
from typing import Any, cast

PATIENCE = 120
"""Seconds of an import, after which the warm process ends."""
_HARMLESS = ("/dev/null", "/dev/urandom", "/dev/random")
_REPLACEABLE = ("stdout", "stderr", "stdin", "displayhook", "excepthook")


@dataclass(frozen=True, slots=True)
class _State:
    """What must be after an import as it was before."""

    descriptors: frozenset[str]
    handlers: tuple[Any, ...]
    hooks: tuple[int, ...]
    path: tuple[str, ...]
    folder: str


def behave_as_a_kernel() -> None:
    """Let modules that are imported find what they find in a kernel, as far as it is values."""
    # What IPython's InteractiveShell and ipykernel's IPKernelApp set.
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    builtins.__dict__["__IPYTHON__"] = True
    from IPython.display import display

    builtins.__dict__["display"] = display
    sys.ps1, sys.ps2, sys.ps3 = "In : ", "...: ", "Out: "  # type: ignore[attr-defined]


def take_back_kernel_ways() -> None:
    """A new kernel sets these by itself."""
    for name in ("__IPYTHON__", "display"):
        builtins.__dict__.pop(name, None)
    for name in ("ps1", "ps2", "ps3"):
        sys.__dict__.pop(name, None)


def warm(module: str) -> str | None:
    """Import ``module``; why no kernel may be forked from this process now, or ``None``."""
    before, spoken = _state(), os.memfd_create("gpuctl")
    said = [os.dup(number) for number in (1, 2)]
    for number in (1, 2):
        os.dup2(spoken, number)
    signal.alarm(PATIENCE)
    spy = _Spy()
    try:
        with spy:
            # As a cell would: warnings that point at the importer are shown in a notebook.
            main = {"__name__": "__main__", "__builtins__": builtins}
            exec(compile(f"import {module}", "<cell>", "exec"), main)  # noqa: S102
    except BaseException as error:
        return f"its import fails ({type(error).__name__})"
    finally:
        signal.alarm(0)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number, former in zip((1, 2), said, strict=True):
            os.dup2(former, number)
            os.close(former)
        printed = os.fstat(spoken).st_size > 0
        os.close(spoken)
    if printed:
        return "it prints while it is imported"
    if spy.asked:
        return "it looks for its kernel while it is imported"
    return _changed(before, _state()) or _alive()


def hideable(names: set[str]) -> list[str]:
    """Which of these modules a file in a kernel's working folder would hide.

    IPython puts that folder before the first ``site-packages``, after the standard library and
    ``PYTHONPATH`` (``InteractiveShellApp.init_path``).
    """
    packages = ("site-packages", "dist-packages")
    before = list(takewhile(lambda entry: not entry.endswith(packages), sys.path))
    found = set()
    for name in {name.partition(".")[0] for name in names} - {__name__.partition(".")[0]}:
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is not None:
            home = os.path.dirname(file)
            if os.path.basename(file).startswith("__init__."):
                home = os.path.dirname(home)
            if home not in before:
                found.add(name)
    return sorted(found)


def settle() -> None:
    """Let what was imported be shared for long: the collector of a child need not touch it."""
    gc.collect()
    gc.freeze()


class _StandIn:
    """In the place of IPython's shell: says that there is one, in a kernel, and nothing else.

    So much do many ask when they are imported (pandas: whether its tables go to a terminal), and
    the answer is the same in every kernel.
    """

    def __init__(self, shell: type | None = None, kernel: object = None) -> None:
        self.__dict__.update(_shell=shell, _kernel=kernel, _asked=False)

    @property
    def __class__(self) -> type:
        return self.__dict__["_shell"] or _StandIn

    @__class__.setter
    def __class__(self, value: type) -> None:
        self.__dict__["_asked"] = True

    def __getattr__(self, name: str) -> Any:
        if name == "kernel" and self.__dict__["_kernel"] is not None:
            return self.__dict__["_kernel"]
        self.__dict__["_asked"] = True
        raise AttributeError(name)

    def __setattr__(self, name: str, value: object) -> None:
        self.__dict__["_asked"] = True


class _Spy:
    """Notices who wants more of the shell than to know that it is there, or keeps it."""

    def __enter__(self) -> _Spy:
        from ipykernel.zmqshell import ZMQInteractiveShell
        from IPython.core.application import BaseIPythonApplication
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import SingletonConfigurable

        self._kernel = _StandIn()
        self._shell = shell = _StandIn(ZMQInteractiveShell, self._kernel)
        self._asked = False
        self._class = single = cast(Any, SingletonConfigurable)
        self._former = {name: single.__dict__[name] for name in ("initialized", "instance")}

        def initialized(cls: type) -> Any:
            self._asked = self._asked or issubclass(cls, BaseIPythonApplication)
            if issubclass(cls, InteractiveShell):
                return True
            return self._former["initialized"].__func__(cls)

        def instance(cls: type, *arguments: Any, **named: Any) -> Any:
            if issubclass(cls, InteractiveShell):
                return shell
            self._asked = self._asked or issubclass(cls, BaseIPythonApplication)
            return self._former["instance"].__func__(cls, *arguments, **named)

        single.initialized = classmethod(initialized)
        single.instance = classmethod(instance)
        builtins.__dict__["get_ipython"] = lambda: shell
        self._counts = self._referrers()
        return self

    def __exit__(self, *_: object) -> None:
        self._kept = self._referrers() > self._counts
        for name, former in self._former.items():
            setattr(self._class, name, former)
        builtins.__dict__.pop("get_ipython", None)

    def _referrers(self) -> tuple[int, int]:
        return sys.getrefcount(self._shell), sys.getrefcount(self._kernel)

    @property
    def asked(self) -> bool:
        parts = (self._shell.__dict__, self._kernel.__dict__)
        return self._asked or self._kept or any(part["_asked"] for part in parts)


def _state() -> _State:
    return _State(
        descriptors=frozenset(_descriptors()),
        handlers=tuple(map(signal.getsignal, sorted(signal.valid_signals()))),
        hooks=(id(builtins.print), *(id(getattr(sys, name)) for name in _REPLACEABLE)),
        path=tuple(sys.path),
        folder=os.getcwd(),
    )


def _descriptors() -> list[str]:
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
        except OSError:
            continue  # That of the listing itself.
    return [entry for entry in found if entry.partition(" ")[2] not in _HARMLESS]


def _changed(before: _State, after: _State) -> str | None:
    opened = sorted(after.descriptors - before.descriptors)
    if any("/dev/nvidia" in entry for entry in opened):
        return "it takes hold of a GPU"
    if opened:
        return f"it leaves {opened[0].partition(' ')[2]} open"
    if after.handlers != before.handlers:
        return "it handles signals"
    if after.hooks != before.hooks:
        return "it replaces what Python prints with"
    if after.path != before.path or after.folder != before.folder:
        return "it changes sys.path or the working folder"
    return None


def _alive() -> str | None:
    if len(os.listdir("/proc/self/task")) > 1:
        # OpenBLAS ends its threads at a fork, and starts them again where they are needed.
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    tasks = os.listdir("/proc/self/task")
    if len(tasks) > 1:
        return f"it starts threads ({_name_of(tasks)})"
    try:
        with open(f"/proc/self/task/{tasks[0]}/children", encoding="ascii") as file:
            if file.read().split():
                return "it starts processes"
    except OSError:
        pass
    return None


def _name_of(tasks: list[str]) -> str:
    own = str(os.getpid())
    names = []
    for task in sorted(tasks):
        try:
            with open(f"/proc/self/task/{task}/comm", encoding="utf-8", errors="replace") as file:
                if task != own:
                    names.append(file.read().strip())
        except OSError:
            continue
    return ", ".join(sorted(set(names)))[:60] or "unnamed"


def forget_ourselves() -> None:
    """Take this package out of the modules of a kernel to be: a new one doesn't have it."""
    own = __name__.partition(".")[0]
    for name in list(sys.modules):
        if name == own or name.startswith(f"{own}."):
            del sys.modules[name]
    sys.modules["__main__"] = ModuleType("__main__")


def reseed() -> None:
    """Random numbers of this process' own. Python's own module does it at a fork by itself."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
