"""The guard: looks at each sample, and does what the rules say about who uses what he doesn't hold.

What it did and will do is kept in memory: it ends with the server. After a start it looks anew,
and warns anew. What it does is written down before it is done: what can't be, isn't done.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ...core.clock import Clock
from ...core.errors import GpuCtlError
from ...gpus.ports import ProcessTable
from ...gpus.sampler import Pass
from ...host.identity import ServerUser, user_name
from ...leases.bindings import Held
from ...leases.policy import Strength
from ..model import Enforcement, GuardMode, strength
from ..ports import Announcer
from ..wire import FindingAnswer, Stage
from . import sentences as words
from .escalation import Action, Case, Key, advance, due, vanish
from .judgement import Finding, Judgement, Past, judge, remember
from .signals import Reason, Refusal, Signals, contained

STOPPED_FOR = 60.0
"""Seconds for which a kernel's end counts as the guard's doing."""
MOST_STOPPED = 256
"""Kernels that this is known of at most."""

_SIGNALS = {
    Action.INTERRUPT: signal.SIGINT,
    Action.TERMINATE: signal.SIGTERM,
    Action.KILL: signal.SIGKILL,
}
_KINDS = {
    Action.REPORT: "guard.reported",
    Action.WARN: "guard.warned",
    Action.INTERRUPT: "guard.interrupted",
    Action.TERMINATE: "guard.terminated",
    Action.KILL: "guard.killed",
    Action.CLEAR: "guard.cleared",
}
CANT_STOP = "guard.cant_stop"
"""In the audit: somebody who may has to stop it."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was found last, all at once: other threads read it."""

    cases: Mapping[Key, Case]
    names: bool
    """Whether policy lets people see who holds what."""


class Guard:
    """Called with each sample on a worker thread, one at a time; asked on any thread."""

    def __init__(
        self,
        table: ProcessTable,
        signals: Signals,
        *,
        user: ServerUser,
        server_pid: int,
        enforcement: Enforcement,
        mode: GuardMode,
        announcer: Announcer,
        record: Callable[..., None],
        clock: Clock,
        log: logging.Logger,
    ) -> None:
        self._table = table
        self._signals = signals
        self._user = user
        self._server_pid = server_pid
        self._off = enforcement is Enforcement.OFF
        self._acts = strength(enforcement, mode) is Strength.GUARDED
        self._announcer = announcer
        self._record = record
        self._clock = clock
        self._log = log
        # Under the Hub leases carry its names; the system may know the same people by others.
        alike = not user.from_hub or user_name(user.uid) == user.name
        self._only = None if alike else user.name
        self._looking = threading.Lock()
        self._seq = 0
        self._failed: set[Key] = set()
        self._past = Past()
        self._seen = _Seen({}, names=False)
        self._stopped: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def look(self, found: Pass, held: Held) -> None:
        """Judge a sample and act on it; one that was looked at already is passed over.

        Never raises for one process: the others are looked at all the same.
        """
        if self._off:
            return
        with self._looking:
            if found.sample.seq == self._seq:
                return
            self._seq = found.sample.seq
            self._past = remember(self._past, found, held)
            judged = judge(found, held, self._past, only=self._only)
            self._seen = _Seen(self._follow(judged, held), names=not held.policy.hide_names)

    def findings(
        self, actor_user: str | None, now: float, *, asker: str | None = None
    ) -> tuple[FindingAnswer, ...]:
        """What is found by now on processes of ``actor_user``; ``None``: on everybody's.

        ``asker`` is who asks, where that is another: an administrator asks for everybody's.
        ``now`` in seconds since the epoch, by the authority's clock. From memory, on any thread.
        """
        asker = asker or actor_user
        seen, clock = self._seen, self._clock.monotonic()
        shown = [
            case
            for case in seen.cases.values()
            if case.stage is not None
            and case.absent_since is None
            and actor_user in (None, case.finding.user)
        ]
        return tuple(
            words.answer(
                case,
                now=now,
                left=self._left(case, clock),
                acts=self._acts,
                names=seen.names or actor_user is None,
                own=actor_user == case.finding.user or self._user.name == case.finding.user,
                mine=asker is not None and asker == case.finding.user,
            )
            for case in sorted(shown, key=lambda case: case.key)
        )

    def stopped(self, kernel_id: str) -> str | None:
        """Why the guard has just ended this kernel's process; ``None``: it hasn't."""
        at, why = self._stopped.get(kernel_id, (None, None))
        if at is None or self._clock.monotonic() - at > STOPPED_FOR:
            return None
        return why

    def _follow(self, judged: Judgement, held: Held) -> dict[Key, Case]:
        """The cases as they are after this sample."""
        before, after = self._seen.cases, {}
        failed: set[Key] = set()
        for finding in judged.findings:
            info = None if finding.user is None else self._table.info(finding.pid)
            if finding.user is not None and info is None:
                continue  # It has ended since the sample was taken.
            started = info.started if info is not None else 0
            key = (finding.pid, started, finding.device, finding.kind)
            case = before.get(key)
            step = partial(self._go_on, case, finding, started, held)
            case = self._tried(step, key, case, failed)
            if case is not None:
                after[key] = case
        for key, case in before.items():
            if key not in after:
                left = self._tried(partial(self._let_go, case, judged, held), key, case, failed)
                if left is not None:
                    after[key] = left
        self._failed = failed
        return after

    def _tried(
        self, step: Callable[[], Case | None], key: Key, before: Case | None, failed: set[Key]
    ) -> Case | None:
        """One bad process must not lose the others: what fails is tried again with the next
        sample, and told once.
        """
        try:
            return step()
        except Exception as error:
            failed.add(key)
            if key not in self._failed:
                self._log.warning(
                    "gpuctl: the guard could not deal with pid %d, and tries again: %s",
                    key[0],
                    error if isinstance(error, GpuCtlError) else repr(error),
                    exc_info=not isinstance(error, GpuCtlError),
                )
            return before

    def _go_on(self, case: Case | None, finding: Finding, started: int, held: Held) -> Case | None:
        now = self._clock.monotonic()
        refusal = self._refusal(finding, started) if due(case, now) else None
        if refusal is not None and refusal.reason is Reason.GONE:
            return None
        after, action = advance(
            case, finding, started, now=now, time=held.now, enforce=self._acts, refusal=refusal
        )
        return after if action is None else self._do(action, after, held)

    def _let_go(self, case: Case, judged: Judgement, held: Held) -> Case | None:
        info = self._table.info(case.finding.pid) if case.started else None
        gone = info is None or info.started != case.started
        if case.finding.device not in judged.readable and (not gone or not case.started):
            return case  # Nobody knows whether it is still there.
        after, action = vanish(case, now=self._clock.monotonic(), gone=gone)
        if action is not None:
            over = replace(case, next_at=None)
            self._tell(action, over, held, words.cleared(case, gone=gone), {"ended": gone})
        return after

    def _refusal(self, finding: Finding, started: int) -> Refusal | None:
        if finding.container is not None:
            return contained(finding.container)
        if finding.user is None:
            return Refusal(Reason.UNKNOWN, "nobody knows whose it is")
        return self._signals.refusal(finding.pid, started, ours=finding.kernel_id is not None)

    def _do(self, action: Action, case: Case, held: Held) -> Case | None:
        """Carry out one step; the case as it is then."""
        left = self._left(case, self._clock.monotonic())
        names = not held.policy.hide_names
        text = words.message(case, now=held.now, left=left, acts=self._acts, names=names)
        number = _SIGNALS.get(action)
        if number is None:
            self._tell(action, case, held, text, {})
            return case
        finding = case.finding

        def write_down() -> None:
            self._tell(action, case, held, text, {"signal": number.name})
            self._note_kernel(case, held, names=names)

        refusal = self._signals.send(
            finding.pid,
            case.started,
            number,
            ours=finding.kernel_id is not None,
            before=write_down,
        )
        if refusal is None:
            return case
        if refusal.reason is Reason.GONE:
            return None
        # Nothing is tried a second time: from here on it is reported, with who can stop it.
        return replace(case, stage=Stage.REPORTED, next_at=None, refusal=refusal)

    def _note_kernel(self, case: Case, held: Held, *, names: bool) -> None:
        """Remember why a kernel's own process, and not one that it has started, will end."""
        kernel_id = case.finding.kernel_id
        info = self._table.info(case.finding.pid)
        leads = info is None or info.session == info.pid or info.parent == self._server_pid
        if kernel_id is None or not leads:
            return
        why = words.ending(case, held.now, names=names)
        self._stopped[kernel_id] = (self._clock.monotonic(), why)
        self._stopped.move_to_end(kernel_id)
        if len(self._stopped) > MOST_STOPPED:
            self._stopped.popitem(last=False)

    def _tell(
        self, action: Action, case: Case, held: Held, text: str, more: Mapping[str, Any]
    ) -> None:
        """Write it down, and tell its user, where that is who listens here."""
        finding = case.finding
        left = self._left(case, self._clock.monotonic())
        detail: dict[str, Any] = {
            "pid": finding.pid,
            "name": finding.name,
            "device": finding.device,
            "finding": finding.kind,
            "stage": case.stage,
            "next_at": None if left is None else round(held.now + left, 3),
            **more,
        }
        if self._concerns(case):
            row = CANT_STOP if case.refusal is not None else action
            reason = {} if case.refusal is None else {"reason": case.refusal.reason}
            self._record(
                str(row),
                detail | reason | {"message": text},
                lease_id=finding.lease_id,
                owner=finding.user,
            )
        if finding.user == self._user.name:
            self._announcer.announce(
                _KINDS[action],
                text,
                kernel_id=finding.kernel_id,
                lease_id=finding.lease_id,
                detail=detail,
            )

    def _concerns(self, case: Case) -> bool:
        """Whether it is this server that writes it down: many servers may see the same process."""
        if case.refusal is None:
            return True
        if case.refusal.reason in (Reason.DAEMON, Reason.UNKNOWN):
            return False
        return self._user.uid == 0 or self._user.name in case.finding.holders

    def _left(self, case: Case, now: float) -> float | None:
        """Seconds until the next stage; ``None``: none comes."""
        if case.next_at is None or case.stage in (None, Stage.REPORTED):
            return None
        return max(0.0, case.next_at - now)
