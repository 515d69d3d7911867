"""``jupyter gpuctl VERB``: one module a verb, loaded when that verb is called."""

from __future__ import annotations

import importlib
import os
import sys
import traceback

import click

from ..core.errors import GpuCtlError, InvalidConfig, InvalidInput, Unavailable
from ..core.version import __version__

VERBS = ("db", "doctor", "export", "lease", "status", "validate")

DONE, FAILED, USAGE, AWAY, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit statuses: done; ran, and something failed; wrong usage; a backend is away; Ctrl-C."""

DEBUG_VARIABLE = "GPUCTL_DEBUG"


class _Verbs(click.Group):
    """Imports a verb's module only when it is called, so that each starts quickly."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f".{cmd_name}", __package__)
        command: click.Command = getattr(module, cmd_name)
        return command


@click.command(
    cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80}
)
@click.version_option(__version__, prog_name="jupyter-gpuctl")
def gpuctl() -> None:
    """GPUs in notebooks: what is free, who holds the rest, and does a course fit.

    Settings are read from jupyter_server_config.py (GpuCtl.…) and from GPUCTL_… variables, as the
    server does.
    """


def _status_of(error: GpuCtlError) -> int:
    if isinstance(error, Unavailable):
        return AWAY
    return USAGE if isinstance(error, InvalidConfig | InvalidInput) else FAILED


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its status; no traceback reaches the user."""
    try:
        # Not standalone: click would turn an interrupt into status 1.
        status = gpuctl.main(arguments, prog_name="jupyter gpuctl", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Abort:
        status = INTERRUPTED
    except KeyboardInterrupt:
        status = INTERRUPTED
    except click.ClickException as error:
        error.show()
        status = USAGE
    except GpuCtlError as error:
        click.echo(f"Error: {error}", err=True)
        status = _status_of(error)
    except BrokenPipeError:
        # The reader (head, less) has left. Python would complain about it at its own end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = DONE
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            traceback.print_exc()
        click.echo(
            f"Error: something went wrong in jupyter-gpuctl ({type(error).__name__}: {error}). "
            f"Set {DEBUG_VARIABLE}=1 for the details, and please report them.",
            err=True,
        )
        status = FAILED
    sys.exit(status or DONE)
