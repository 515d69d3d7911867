"""Which kernel a name means, and what is installed for it.

Looked up by the rules of jupyter_client's ``KernelSpecManager`` and ``KernelManager``, without
loading them. The only importer of jupyter_core here.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_path

from ...core.errors import Unavailable
from .code import Code, digest_of, imports_in

_MAJOR, _MINOR = sys.version_info[:2]
_PYTHONS = {"python", f"python{_MAJOR}", f"python{_MAJOR}.{_MINOR}"}
"""Names in a kernel specification that jupyter_client takes for the Python that it runs on."""
_IS_PYTHON = re.compile(r"python[0-9.]*")
_ASK = "import json, sys; print(json.dumps([sys.version, sys.prefix, sys.path]))"
_PATIENCE = 20.0
"""Seconds for another Python to say where its packages are."""
_DISTRIBUTION = (".dist-info", ".egg-info", ".egg-link")
_VARIABLES = re.compile(r"PYTHON\w*|LC_\w+|LANG|LANGUAGE|TZ|CUDA_VISIBLE_DEVICES|MPLBACKEND")
_OF_SHELLS = {"_", "SHLVL", "OLDPWD"}
"""Variables that change from call to call, and mean something else in the code (``_``)."""
_MOST_SOURCES = 5000


@dataclass(frozen=True, slots=True)
class _Python:
    version: str
    installed: tuple[str, ...]
    """Directories of distributions: their names hold name and version."""
    loose: tuple[str, ...]
    """Folders on its path that no installer filled: of ``PYTHONPATH``, of editable installs."""


class Environments:
    """The kernels of this machine. Each is looked at once."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._specs: dict[str, tuple[dict[str, Any], _Python]] = {}

    def digest(self, kernel: str, code: Code) -> str:
        """A name for all that surrounds the run of ``code`` in ``kernel``, as far as is known.

        Kernel specification, version of the interpreter, installed distributions, the sources of
        modules that it imports from elsewhere, IPython's start-up files, and the environment
        variables that any Python heeds or whose names occur in the code.

        Raises:
            Unavailable: it can't be known; the message says why, in a few words.
        """
        try:
            return self._digest(kernel, code)
        except OSError as error:
            raise _unknown(f"{error.filename}: {error.strerror}") from None

    def _digest(self, kernel: str, code: Code) -> str:
        if kernel not in self._specs:
            spec = _find_spec(kernel)
            self._specs[kernel] = spec, _python(spec)
        spec, python = self._specs[kernel]
        words = code.words()
        heeded = {
            name: value
            for name, value in self._environ.items()
            if (name in words and name not in _OF_SHELLS) or _VARIABLES.fullmatch(name)
        }
        told = {name: spec.get(name) for name in ("argv", "env", "interrupt_mode", "metadata")}
        return digest_of(
            told,
            python.version,
            python.installed,
            _sources(python.loose, code.imports()),
            _startup(self._environ),
            {name: os.fsencode(value).hex() for name, value in heeded.items()},
        )


def is_installed(kernel: str) -> bool:
    """Whether there is a kernel of this name."""
    try:
        _find_spec(kernel)
    except Unavailable:
        return False
    return True


def _find_spec(name: str) -> dict[str, Any]:
    # So does jupyter_client, whatever is installed: old notebooks have it.
    name = "python3" if name == "python" else name
    folders = [*jupyter_path("kernels"), str(_ipython_folder(os.environ) / "kernels")]
    for folder in folders:
        try:
            inside = os.listdir(folder)
        except OSError:
            continue
        for file in inside:
            path = os.path.join(folder, file, "kernel.json")
            if file.lower() == name.lower() and os.path.isfile(path):
                return _read_spec(path)
    if name.lower() == "python3":
        return {"argv": ["python", "-m", "ipykernel_launcher"], "language": "python"}
    raise _unknown(f"kernel {name!r} is not installed")


def _read_spec(path: str) -> dict[str, Any]:
    try:
        spec = json.loads(Path(path).read_bytes())
        if isinstance(spec, dict) and isinstance(spec.get("argv"), list):
            return spec
    except (OSError, ValueError):
        pass
    raise _unknown(f"{path} is no kernel specification")


def _python(spec: dict[str, Any]) -> _Python:
    argv = spec["argv"]
    program = str(argv[0]) if argv else ""
    if str(spec.get("language", "python")).lower() != "python":
        raise _unknown(f"what is installed for {spec['language']} can't be told")
    if program in _PYTHONS or program == sys.executable:
        return _describe(sys.version, sys.prefix, _path_of_children())
    if not _IS_PYTHON.fullmatch(os.path.basename(program)):
        raise _unknown(f"its kernel is started by {os.path.basename(program)!r}, not by Python")
    env = {**os.environ, **{str(k): str(v) for k, v in (spec.get("env") or {}).items()}}
    try:
        asked = subprocess.run(
            [program, "-c", _ASK], env=env, cwd="/", capture_output=True, timeout=_PATIENCE
        )
        version, prefix, path = json.loads(asked.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        raise _unknown(f"{program} doesn't say what is installed for it") from None
    return _describe(version, prefix, path)


def _path_of_children() -> list[str]:
    """Our ``sys.path`` without the place from which we were called (``python -m``)."""
    here = os.getcwd()
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return [folder for folder in sys.path if folder != here or folder in given]


def _describe(version: str, prefix: str, path: Sequence[str]) -> _Python:
    installed: list[str] = []
    loose: list[str] = []
    for folder in path:
        if not folder or not os.path.isdir(folder):
            continue
        names = os.listdir(folder)
        found = [name for name in names if name.endswith(_DISTRIBUTION)]
        installed += found
        library = re.search(r"/(lib(64)?/python[0-9.]+|site-packages|dist-packages)(/|$)", folder)
        if not found and not library and not folder.startswith(os.path.join(prefix, "lib")):
            loose.append(folder)
    return _Python(version, tuple(sorted(installed)), tuple(loose))


def _sources(folders: Sequence[str], modules: frozenset[str]) -> list[Any]:
    """Name, size and time of the sources in ``folders`` of ``modules`` and of what they import."""
    seen: list[Any] = []
    known, waiting = set(modules), sorted(modules, reverse=True)
    while waiting and folders:
        for file in _files_of(folders, waiting.pop()):
            try:
                found = os.stat(file)
                text = Path(file).read_bytes() if file.endswith(".py") else b""
            except OSError:
                continue
            seen.append((os.fsencode(file).hex(), found.st_size, found.st_mtime_ns))
            if len(seen) > _MOST_SOURCES:
                raise _unknown(f"it imports more than {_MOST_SOURCES:,} files of {folders[0]}")
            new = imports_in(text.decode(errors="replace")) - known
            known |= new
            waiting += new
    return sorted(seen)


def _files_of(folders: Sequence[str], module: str) -> Iterator[str]:
    for folder in folders:
        yield os.path.join(folder, f"{module}.py")
        for place, inside, names in os.walk(os.path.join(folder, module)):
            inside[:] = [name for name in inside if name != "__pycache__"]
            yield from (os.path.join(place, name) for name in names)


def _startup(environ: Mapping[str, str]) -> list[Any]:
    """Name, size and time of what IPython's default profile runs before the first cell."""
    profile = _ipython_folder(environ) / "profile_default"
    files = [profile / "ipython_config.py", profile / "ipython_kernel_config.py"]
    startup = profile / "startup"
    if startup.is_dir():
        files += sorted(file for file in startup.iterdir() if file.suffix in (".py", ".ipy"))
    present = [(file.name, file.stat()) for file in files if file.is_file()]
    return [(name, found.st_size, found.st_mtime_ns) for name, found in present]


def _ipython_folder(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("IPYTHONDIR") or "~/.ipython").expanduser()


def _unknown(why: str) -> Unavailable:
    return Unavailable("validation.environment", why)
