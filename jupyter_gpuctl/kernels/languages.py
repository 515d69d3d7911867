"""How a variable of the environment is set within a running kernel, by its language. Pure.

Python is asked with an expression, evaluated beside an empty cell (``user_expressions``): nothing
is left in the user's names. For other languages a statement that prints and leaves nothing is run
as a silent cell.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

LIVE, RESTART = "gpuctl-live", "gpuctl-restart"
"""What the expression in Python comes to: it was done, or CUDA has been used."""

_PYTHON = """
import os
def used():
    try:
        with open("/proc/self/maps", "rb") as file:
            if b"/libcuda.so" in file.read():
                return True
        for name in os.listdir("/proc/self/fd"):
            try:
                target = os.readlink("/proc/self/fd/" + name)
            except OSError:
                continue
            if target in ("/dev/nvidia-uvm", "/dev/dxg"):
                return True
    except OSError:
        pass
    return False
if used():
    said = {restart!r}
else:
    for name, value in {variables!r}.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    said = {live!r}
"""


def python_expression(env: Mapping[str, str | None]) -> str:
    """A Python expression that sets (``None``: removes) variables, unless CUDA has been used.

    Its value is :data:`LIVE` or :data:`RESTART`. A CUDA context is made when its library is
    loaded and first called; after that the process never reads ``CUDA_VISIBLE_DEVICES`` again.
    """
    code = _PYTHON.format(restart=RESTART, live=LIVE, variables=dict(env))
    return f"(lambda names: (exec({code!r}, names), names['said'])[1])({{}})"


def statement(language: str, env: Mapping[str, str | None]) -> str | None:
    """Code that sets (``None``: removes) variables; ``None``: not known for this language."""
    write = _STATEMENTS.get(language.lower())
    if write is None:
        return None
    return "\n".join(write(name, value) for name, value in env.items())


def _r(name: str, value: str | None) -> str:
    if value is None:
        return f"invisible(Sys.unsetenv({_quoted(name)}))"
    return f"invisible(Sys.setenv({name} = {_quoted(value)}))"


def _julia(name: str, value: str | None) -> str:
    if value is None:
        return f"(delete!(ENV, {_quoted(name)}); nothing);"
    return f"(ENV[{_quoted(name)}] = {_quoted(value, dollar=True)}; nothing);"


def _shell(name: str, value: str | None) -> str:
    if value is None:
        return f"unset {name}"
    return f"export {name}='" + value.replace("'", "'\\''") + "'"


def _ruby(name: str, value: str | None) -> str:
    if value is None:
        return f"ENV.delete({_quoted(name)}); nil"
    return f"ENV[{_quoted(name)}] = {_quoted(value).replace('#', chr(92) + '#')}; nil"


def _octave(name: str, value: str | None) -> str:
    call = f"unsetenv('{name}')" if value is None else f"setenv('{name}', '{_doubled(value)}')"
    return f"{call};"


def _doubled(text: str) -> str:
    return text.replace("'", "''")


def _quoted(text: str, *, dollar: bool = False) -> str:
    """In double quotes, with the escapes that C, R, Julia and Ruby share."""
    quoted = json.dumps(text, ensure_ascii=False)
    return quoted.replace("$", "\\$") if dollar else quoted


_STATEMENTS: Mapping[str, Callable[[str, str | None], str]] = {
    "r": _r,
    "julia": _julia,
    "bash": _shell,
    "sh": _shell,
    "zsh": _shell,
    "ruby": _ruby,
    "octave": _octave,
}
"""By the name in the kernelspec, in small letters."""
