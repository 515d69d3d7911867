"""What is known of a validation from what it has told. No I/O."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ..core.decoding import decode
from .model import Limits, NotebookResult, Verdict, words
from .wire import CheckedNotebook, Progress, ReportFormat, RunningNotebook


class Following:
    """Hears the lines that :mod:`.told` describes, in their order.

    ``contents_path`` turns a path as the validation tells it into one of the server's contents.
    """

    def __init__(self, contents_path: Callable[[str], str]) -> None:
        self._contents_path = contents_path
        self._total: int | None = None
        self._running: dict[str, RunningNotebook] = {}
        self._runs: dict[str, dict[int, tuple[int, str]]] = {}
        self._reports: dict[ReportFormat, bytes] = {}
        self._summary = ""
        self.limits: Limits | None = None
        self.notebooks: list[CheckedNotebook] = []
        """In the order in which they ended; in that of their paths when all have."""
        self.interrupted: bool | None = None
        """Of a validation that has said its last word; ``None``: it has not."""

    def hear(self, line: Mapping[str, Any]) -> None:
        """One line.

        Raises:
            ValueError: it is none that a validation tells.
        """
        try:
            self._hear(line["kind"], line)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a word of a validation: {str(line)[:200]}") from error

    def _hear(self, kind: str, line: Mapping[str, Any]) -> None:
        if kind == "planned":
            self._total = len(line["paths"])
            self.limits = decode(Limits, line["limits"])
        elif kind == "started":
            path = line["path"]
            shown = self._contents_path(path)
            self._running[path] = RunningNotebook(shown, None, 0, None, "")
        elif kind == "cells":
            path = line["path"]
            runs = {index: (n, text) for n, (index, text) in enumerate(line["runs"], start=1)}
            self._runs[path] = runs
            self._running[path] = replace(self._running[path], cells=len(runs))
        elif kind == "cell":
            path, index = line["path"], line["index"]
            number, text = self._runs.get(path, {}).get(index, (0, ""))
            self._running[path] = replace(
                self._running[path], cell=index, number=number, first_line=text
            )
        elif kind == "finished":
            result = decode(NotebookResult, line["result"])
            self._running.pop(result.path, None)
            self._runs.pop(result.path, None)
            self.notebooks.append(self._checked(result))
        elif kind == "report":
            packed = zlib.compress(line["text"].encode(errors="replace"), 6)
            self._reports[ReportFormat(line["format"])] = packed
        elif kind == "done":
            self.interrupted, self._summary = line["interrupted"], line["summary"]
            results = [decode(NotebookResult, result) for result in line["results"]]
            self.notebooks = [self._checked(result) for result in results]
        else:
            raise KeyError(kind)

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress(len(self.notebooks), self._total, tuple(self._running.values()))

    @property
    def summary(self) -> str:
        """``36 passed, 1 failed``; of what has its verdict by now."""
        counts = Counter(Verdict(notebook.verdict) for notebook in self.notebooks)
        so_far = ", ".join(f"{counts[one]} {words(one)}" for one in Verdict if counts[one])
        return self._summary or so_far

    @property
    def formats(self) -> tuple[ReportFormat, ...]:
        """The reports that have come."""
        return tuple(self._reports)

    def report(self, name: ReportFormat) -> bytes | None:
        """One of them, as UTF-8."""
        packed = self._reports.get(name)
        return None if packed is None else zlib.decompress(packed)

    def ended(self) -> None:
        """It will tell no more: nothing runs."""
        self._running.clear()
        self._runs.clear()

    def _checked(self, result: NotebookResult) -> CheckedNotebook:
        decided = next((cell for cell in result.cells if cell.index == result.cell), None)
        return CheckedNotebook(
            path=self._contents_path(result.path),
            verdict=result.verdict.value,
            reason=result.reason,
            hint=result.hint,
            duration=result.duration,
            peak_memory=result.peak_memory,
            started=result.started,
            cell=result.cell,
            first_line=decided.first_line if decided else "",
            error=result.error,
            processes=result.processes,
            findings=result.findings,
        )
