"""A Docker engine for tests: the one that runs here, else one of their own. And an image for it.

The image is this Python with ipykernel, copied: it takes seconds and no network, where a system
of packages takes minutes.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from jupyter_gpuctl.core.errors import GpuCtlError
from jupyter_gpuctl.engines.docker import DockerEngine
from jupyter_gpuctl.host.trees import die_with_parent

_PATIENCE = 60.0
_LEFT_OUT = {
    "site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter",
    "turtledemo", "ensurepip", "lib2to3",
}  # fmt: skip
_SPEC = {
    "argv": ["python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    "display_name": "Python in a container",
    "language": "python",
    "env": {"FROM_THE_SPECIFICATION": "yes"},
}


@contextlib.contextmanager
def engine() -> Iterator[str]:
    """The address of an engine that answers; skips where there can be none."""
    try:
        running = DockerEngine()
        running.facts()
        address = running.address
        running.close()
    except GpuCtlError as error:
        if os.getuid() != 0 or shutil.which("dockerd") is None:
            pytest.skip(f"no Docker engine: {error.message}")
    else:
        yield address
        return
    # Not below pytest's own folder: paths of sockets are short.
    with tempfile.TemporaryDirectory(prefix="dockerd-", ignore_cleanup_errors=True) as folder:
        yield from _own(Path(folder))


def _own(folder: Path) -> Iterator[str]:
    address = f"unix://{folder}/socket"
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [
                "dockerd", "--data-root", folder / "data", "--exec-root", folder / "exec",
                "--pidfile", folder / "pid", "--host", address, "--iptables=false",
                "--ip6tables=false", "--bridge=none",
                "--containerd-namespace", f"gpuctl-test-{os.getpid()}",
            ],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            preexec_fn=die_with_parent,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _answers(address):
            if process.poll() is not None or time.monotonic() > deadline:
                last = (folder / "log").read_text().strip().splitlines()[-1:]
                pytest.skip(f"dockerd can't run here: {''.join(last)[-300:]}")
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(address: str) -> bool:
    with contextlib.suppress(GpuCtlError):
        DockerEngine(address).close()
        return True
    return False


def docker(*arguments: str, **more: Any) -> str:
    """What the command prints, without the last newline."""
    done = subprocess.run(["docker", *arguments], capture_output=True, **more)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr.decode()}"
    return done.stdout.decode().strip()


@contextlib.contextmanager
def image() -> Iterator[str]:
    """An image with a kernel, in the engine of ``DOCKER_HOST``; removed at the end."""
    path = _archive()
    name = f"gpuctl-test:{path.stem}-{os.getpid()}"
    docker(
        "import",
        "--change", "ENV PATH=/opt/kernel/bin:/usr/bin:/bin",
        "--change", "ENV PYTHONPATH=/opt/kernel/site",
        "--change", f"ENV LD_LIBRARY_PATH={':'.join(_library_folders())}",
        str(path), name,
    )  # fmt: skip
    try:
        yield name
    finally:
        docker("rmi", "--force", name)


def _archive() -> Path:
    """The image's files; made once for each set of versions, in a folder that git ignores."""
    packages = _closure("ipykernel")
    told = [sys.version, *(f"{one.name} {one.version}" for one in packages)]
    digest = hashlib.sha256("\n".join([*told, Path(__file__).read_text()]).encode()).hexdigest()
    folder = Path(__file__).parents[2] / "build"
    path = folder / f"{digest[:16]}.tar"
    if not path.exists():
        folder.mkdir(exist_ok=True)
        made = folder / f"{path.name}.{os.getpid()}"
        with _Archive.open(made, "w") as archive:
            _fill(archive, packages)
        made.replace(path)
    return path


class _Archive(tarfile.TarFile):
    """Has each folder before what is in it: the engine lets nobody but root into others."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._folders = {"."}

    def addfile(self, tarinfo: tarfile.TarInfo, fileobj: Any = None) -> None:
        for folder in reversed(Path(tarinfo.name).parents):
            if str(folder) not in self._folders:
                self._folders.add(str(folder))
                entry = tarfile.TarInfo(str(folder))
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                super().addfile(entry)
        super().addfile(tarinfo, fileobj)


def _fill(archive: tarfile.TarFile, packages: list[Distribution]) -> None:
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    binary = os.path.realpath(sys.executable)
    _add(archive, binary, "/opt/kernel/bin/python3")
    binaries = {binary}
    library = sysconfig.get_paths()["stdlib"]
    for path in _files_below(Path(library)):
        _add(archive, str(path), f"/opt/kernel/lib/{version}/{path.relative_to(library)}")
        binaries |= {str(path)} if ".so" in path.name else set()
    for package in packages:
        for file in package.files or ():
            path = Path(str(package.locate_file(file)))
            if ".." not in file.parts and path.is_file():
                _add(archive, str(path), f"/opt/kernel/site/{file}")
                binaries |= {str(path)} if ".so" in path.name else set()
    shell = os.path.realpath("/bin/sh")
    _add(archive, shell, "/bin/sh")
    for needed in _libraries({*binaries, shell}):
        _add(archive, needed, needed)
    _put(archive, "/opt/kernel/share/jupyter/kernels/python3/kernel.json", json.dumps(_SPEC))
    _put(archive, "/etc/passwd", "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")


def _files_below(top: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(top):
        names[:] = [
            name for name in names if name not in _LEFT_OUT and not name.startswith("config-")
        ]
        yield from (Path(folder, name) for name in files)


def _add(archive: tarfile.TarFile, path: str, name: str) -> None:
    found, data = os.stat(path), Path(path).read_bytes()
    # What is compiled already holds for a source of the same time: each kernel saves a second.
    _put(archive, name, data, executable=bool(found.st_mode & 0o111), at=int(found.st_mtime))


def _put(
    archive: tarfile.TarFile, name: str, data: str | bytes, *, executable: bool = False, at: int = 0
) -> None:
    content = data.encode() if isinstance(data, str) else data
    entry = tarfile.TarInfo(name.lstrip("/"))
    entry.size, entry.mode = len(content), 0o755 if executable else 0o644
    entry.mtime = at
    archive.addfile(entry, io.BytesIO(content))


def _libraries(binaries: set[str]) -> list[str]:
    """Shared libraries of the system that these need."""
    found = subprocess.run(["ldd", *sorted(binaries)], capture_output=True, text=True).stdout
    paths = set(re.findall(r"(?:=> |^\s+)(/\S+) \(0x", found, re.MULTILINE))
    return sorted(path for path in paths if "/site-packages/" not in path)


def _library_folders() -> list[str]:
    found = _libraries({os.path.realpath(sys.executable)})
    return sorted({os.path.dirname(path) for path in found})


def _closure(name: str) -> list[Distribution]:
    """A package and all that it needs, as installed here."""
    found: dict[str, Distribution] = {}
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found[one] = distribution(one)
            for text in found[one].requires or ():
                need = Requirement(text)
                if need.marker is None or need.marker.evaluate({"extra": ""}):
                    waiting.append(re.sub(r"[-_.]+", "-", need.name).lower())
    return [found[one] for one in sorted(found)]
