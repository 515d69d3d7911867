"""The process that runs one notebook, on nbconvert: the only importer of nbconvert and nbclient.

Started by the worker, through ``start_engine``, or forked from the warm process, with the job on
its standard input, then a line for each cell that may start; it writes events to the descriptor
that it is told. It holds no limits: whatever happens to it or to its kernel, the worker outlives
it. It interrupts what runs too long, so that the kernel can say where it stood; a kernel that
doesn't listen is the worker's to kill.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbclient.util import run_sync
from nbconvert.preprocessors.execute import ExecutePreprocessor

from ..core.errors import InvalidInput
from ..host.births import give_up_first
from ..host.trees import die_with_parent
from .containers.model import LINK, specification
from .events import (
    CellEnded,
    CellStarted,
    Differs,
    Finished,
    Job,
    KernelDied,
    KernelReady,
    KernelStarting,
    KernelWanted,
    Planned,
    Refused,
)
from .kernel_manager import (
    Contained,
    KernelManager,
    Seed,
    ShellChannel,
    require_kernel,
    wait_until_ready,
)
from .model import CellError, CellStatus
from .notebooks import cell_limits, planned_cells, read_notebook
from .outputs import difference, is_compared
from .tracebacks import failing_line, first_line, line_text, plain

GRACE = 1.0
"""Seconds that an interrupted cell has for its last words."""
_START_TIMEOUT = 60
"""Seconds until a kernel must answer, as in nbclient."""
_OUTPUTS = 10 * 1024**2
"""Characters of output kept for a cell: nothing is reported of it, so more is not needed."""
_LONGEST = 2000
"""Characters of an error message that are reported."""


class _Over(Exception):
    """The cell or the notebook ran too long."""


class Engine(ExecutePreprocessor):
    """ExecutePreprocessor that tells what it does, and interrupts for good."""

    def __init__(
        self,
        job: Job,
        running: frozenset[int],
        limits: dict[int, float | None],
        emit: Any,
        may_go_on: Callable[[], object],
    ) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            timeout=None,
            kernel_name=job.kernel or "",
            startup_timeout=_START_TIMEOUT,
            record_timing=False,
            store_widget_state=False,
            kernel_manager_class=KernelManager,
        )
        self._job, self._running, self._limits, self._emit = job, running, limits, emit
        self._may_go_on = may_go_on
        self._deadline: float | None = None
        self._process: Any = None
        self.was_ready = False
        self._interrupted = False
        self._reply: dict[str, Any] | None = None
        self._outputs = 0
        self.on_cell_execute = self._on_execute
        self.on_cell_error = self._on_error

    def reset_execution_trackers(self) -> None:
        super().reset_execution_trackers()
        # nbclient's Output widget writes what it shows into its state, also where none is stored.
        self.widget_state = defaultdict(dict)

    async def async_start_new_kernel(self, **kwargs: Any) -> None:
        now = time.monotonic()
        self._emit(KernelStarting(now))
        if self._job.limits.time is not None:
            self._deadline = now + self._job.limits.time
        manager = cast(KernelManager, self.km)
        manager.try_often()
        if self._job.container is not None:
            kernel = specification(self._job.container, manager.kernel_name)
            Contained(kernel, f"{self._job.scratch}/{LINK}", self._ask).prepare(manager)
        else:
            manager.avoid_ports()
        if self._job.seed is not None:
            pid, word = self._job.seed
            manager.seed = Seed(pid, word, self._job.entrances)
        await super().async_start_new_kernel(preexec_fn=self._enter, **kwargs)
        self._process = getattr(getattr(self.km, "provisioner", None), "process", None)

    start_new_kernel = run_sync(async_start_new_kernel)

    async def async_start_new_kernel_client(self) -> Any:
        """As nbclient does it, but for waiting."""
        assert self.km is not None
        self.kc = self.km.client()
        self.kc.shell_channel_class = ShellChannel  # type: ignore[assignment]
        try:
            # Nobody hears the heart beat, which is a thread here and there, and nothing is asked.
            self.kc.start_channels(stdin=False, hb=False)
            client: Any = self.kc
            await wait_until_ready(client, self.startup_timeout)
        except Exception:
            await self._async_cleanup_kernel()
            raise
        self.kc.allow_stdin = False
        self._on_ready()
        return self.kc

    start_new_kernel_client = run_sync(async_start_new_kernel_client)

    def _ask(self, wanted: KernelWanted) -> Any:
        self._emit(wanted)
        return json.loads(cast(bytes, self._may_go_on()))

    def _enter(self) -> None:
        """In the child, before it becomes the kernel: everything that it starts inherits this."""
        for entrance in self._job.entrances:
            descriptor = os.open(entrance, os.O_WRONLY)
            os.write(descriptor, b"0")
            os.close(descriptor)
        die_with_parent()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        give_up_first()

    def _on_ready(self) -> None:
        self.was_ready = True
        self._emit(KernelReady(time.monotonic(), getattr(self._process, "pid", None)))

    @property
    def exit_code(self) -> int | None:
        """Of the kernel's process; ``None`` while it lives, or where the worker is to know."""
        if self._process is None or self._job.seed is not None or self._job.container is not None:
            return None
        code: int | None = self._process.poll()
        return code

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> Any:
        self._reply, self._interrupted, self._outputs = None, False, 0
        self._timer: asyncio.TimerHandle | None = None
        stored = None
        if cell.cell_type == "code" and is_compared(cell, cell["execution_count"], cell.outputs):
            stored = cell.outputs
        cell["execution_count"] = None
        failure: CellExecutionError | None = None
        try:
            super().preprocess_cell(cell, resources, index)  # type: ignore[no-untyped-call]
        except CellExecutionError as error:
            failure = error
        finally:
            if self._timer is not None:
                self._timer.cancel()
        if index in self._running:
            if stored is not None and failure is None and not self._interrupted:
                self._compare(index, stored, cell.outputs)
            self._tell(cell, index, cell.get("execution_count"), failure)
            if index == max(self._running):
                self._emit(Finished(time.monotonic()))
                self._may_go_on()
        return cell, self.resources

    def _compare(self, index: int, stored: list[Any], new: list[Any]) -> None:
        checks = self._job.check_outputs
        if checks is not None:
            finding = difference(stored, new, checks, index)
            if finding is not None:
                self._emit(Differs(finding))

    def _tell(
        self, cell: Any, index: int, count: int | None, failure: CellExecutionError | None
    ) -> None:
        error = _cell_error(cell, count, self._reply) if self._reply else None
        if self._interrupted:
            status = CellStatus.TIMED_OUT
        elif failure is not None:
            status = CellStatus.ERROR
            error = error or CellError(failure.ename, failure.evalue, None, first_line(cell.source))
        else:
            status = CellStatus.EXPECTED_ERROR if error else CellStatus.OK
        # Outputs are not reported; a display that is updated later must not look for them.
        cell.outputs = []
        self.clear_display_id_mapping(index)
        self._emit(CellEnded(index, time.monotonic(), status, error))
        if failure is not None or self._interrupted:
            # With the kernel goes what can be read of it.
            self._may_go_on()
        if failure is not None:
            raise failure
        if self._interrupted:
            raise _Over

    def _on_execute(self, cell: Any, cell_index: int) -> None:
        now = time.monotonic()
        limit, whole = self._limits.get(cell_index), False
        until = None if limit is None else now + limit
        if self._deadline is not None and (until is None or self._deadline < until):
            limit, until, whole = self._job.limits.time, self._deadline, True
        if until is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, until - now), self._interrupt)
        kill = None if until is None else until + GRACE
        self._emit(CellStarted(cell_index, now, kill, limit, whole))
        # The worker measures before the cell runs: what follows is this cell's, not the last one's.
        self._may_go_on()

    def _interrupt(self) -> None:
        self._interrupted = True
        if self.km is not None:
            interrupting: Any = self.km.interrupt_kernel()
            self._interrupting = asyncio.ensure_future(interrupting)

    def _on_error(self, execute_reply: dict[str, Any], **_: Any) -> None:
        self._reply = execute_reply["content"]

    def output(self, outs: Any, msg: Any, display_id: Any, cell_index: int) -> Any:
        """Keep no more of the outputs than a floor: a cell may print for ever."""
        if msg["msg_type"] != "error":
            self._outputs += sum(map(len, map(str, msg["content"].values())))
            if self._outputs > _OUTPUTS:
                return None
        return super().output(outs, msg, display_id, cell_index)


def _cell_error(cell: Any, count: int | None, reply: dict[str, Any]) -> CellError:
    if reply.get("ename") == "NoneType":
        # IPython's, where the last value can't be shown: the error itself is among the outputs.
        shown = [output for output in cell.outputs if output.output_type == "error"]
        reply = shown[-1] if shown else reply
    traceback = "\n".join(reply.get("traceback") or [])
    line = failing_line(traceback, count, cell.source)
    return CellError(
        name=str(reply.get("ename") or "error"),
        value=plain(str(reply.get("evalue") or ""))[:_LONGEST],
        line=line,
        source=line_text(cell.source, line) or first_line(cell.source),
    )


def run(job: Job, emit: Any, may_go_on: Callable[[], object]) -> None:
    """Run the notebook of ``job`` and tell ``emit`` what happens. Raises nothing foreseen."""
    try:
        notebook = read_notebook(job.source or job.path)
        limits = cell_limits(notebook, job.limits.cell_time)
        _require_kernel(job, job.kernel or _kernel_name(notebook))
    except InvalidInput as error:
        emit(Refused(error.message, error.hint))
        return
    cells = planned_cells(notebook)
    emit(Planned(cells))
    if not any(cell.runs for cell in cells):
        emit(Finished(time.monotonic()))
        return
    running = frozenset(cell.index for cell in cells if cell.runs)
    engine = Engine(job, running, limits, emit, may_go_on)
    folder = str(Path(job.path).resolve().parent)
    try:
        engine.preprocess(notebook, {"metadata": {"path": folder}})
    except (_Over, CellExecutionError):
        return
    except InvalidInput as error:
        emit(Refused(error.message, error.hint))
    except DeadKernelError:
        emit(KernelDied(time.monotonic(), engine.exit_code, "it died"))
    except (RuntimeError, TimeoutError) as error:
        if engine.was_ready:
            raise
        emit(KernelDied(time.monotonic(), engine.exit_code, str(error)))
    except OSError as error:
        if engine.was_ready:
            raise
        emit(Refused(f"its kernel can't be started: {error}", "Install the kernel again."))


def _require_kernel(job: Job, name: str) -> None:
    if job.container is not None:
        specification(job.container, name)
    else:
        require_kernel(name)


def _kernel_name(notebook: Any) -> str:
    kernelspec = notebook.metadata.get("kernelspec") or {}
    return str(kernelspec.get("name") or "python3")
