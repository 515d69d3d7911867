"""Builds the fake ``libnvidia-ml.so.1`` and points programs at it."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .log import CallLog
from .scenario import Scenario

SONAME = "libnvidia-ml.so.1"
CUDA_SONAME = "libcuda.so.1"
SOURCES = ("nvml.c", "peers.c", "scenario.c", "log.c")


class NoCompiler(Exception):
    """There is no gcc on this machine."""


def _gcc(target: Path, *arguments: str | Path) -> Path:
    gcc = shutil.which("gcc") or shutil.which("cc")
    if gcc is None:
        raise NoCompiler("the fake driver needs gcc")
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [gcc, "-std=gnu11", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror"]
    command += [
        "-fvisibility=hidden",
        f"-Wl,-soname,{target.name}",
        "-pthread",
        "-o",
        target,
        *arguments,
    ]
    subprocess.run(command, check=True)
    return target


def build(folder: Path, *, without: Sequence[str] = ()) -> Path:
    """Compile the library into ``folder``, leaving out the symbols in ``without``.

    Raises:
        NoCompiler: gcc is not installed.
        subprocess.CalledProcessError: it doesn't compile.
    """
    here = Path(__file__).parent
    arguments: list[str | Path] = [here / source for source in SOURCES]
    if without:
        folder.mkdir(parents=True, exist_ok=True)
        script = folder / "symbols.map"
        script.write_text("{ local: " + " ".join(f"{name};" for name in without) + " };\n")
        arguments.append(f"-Wl,--version-script={script}")
    return _gcc(folder / SONAME, *arguments)


def build_cuda(folder: Path) -> Path:
    """A ``libcuda.so.1`` that does nothing: for programs that are to look as if they used CUDA.

    Raises:
        NoCompiler: gcc is not installed.
    """
    return _gcc(folder / CUDA_SONAME, Path(__file__).parent / "cuda.c")


def build_garbage(folder: Path, *, elf: bool) -> Path:
    """A library that is none: a text file, or (``elf``) one that loads and has no symbol."""
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / SONAME
    if not elf:
        library.write_text("This is not a library.\n")
        return library
    source = folder / "empty.c"
    source.write_text("typedef int nothing;\n")
    return _gcc(library, source)


@dataclass(frozen=True)
class FakeMachine:
    """One scenario file and one call log. Change the scenario while programs run."""

    library: Path
    folder: Path

    @property
    def scenario_path(self) -> Path:
        return self.folder / "scenario.txt"

    @property
    def log(self) -> CallLog:
        return CallLog(self.folder / "calls.log")

    def show(self, scenario: Scenario) -> None:
        """From the next driver call on, in every process, the machine is this one."""
        scenario.write(self.scenario_path)

    @property
    def variables(self) -> dict[str, str]:
        """What the library itself reads of the environment."""
        return {
            "FAKE_NVML_SCENARIO": str(self.scenario_path),
            "FAKE_NVML_LOG": str(self.log.path),
        }

    def environment(self) -> dict[str, str]:
        """The environment for a program that is to meet this driver."""
        paths = [str(self.library.parent), os.environ.get("LD_LIBRARY_PATH", "")]
        return {
            **os.environ,
            **self.variables,
            "LD_LIBRARY_PATH": ":".join(path for path in paths if path),
        }


def load(library: Path) -> ctypes.CDLL:
    """Load the library into this process.

    The loader answers a later ``CDLL("libnvidia-ml.so.1")``, which is what pynvml does, with the
    library already loaded under that soname. Without FAKE_NVML_SCENARIO in the environment it
    behaves as if there were no driver.
    """
    return ctypes.CDLL(str(library))
