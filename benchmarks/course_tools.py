"""One course run by one tool: ours, nbmake or nbclient, each in its own way, told alike."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from .peers import ROOT
from .servers import Failed

RECORDING = ROOT / "benchmarks/recording"
Outputs = dict[int, list[Any]]
"""Of the cells that ran, by their position among all cells."""
_COLOUR = re.compile(r"(?:\x1b|#x1B)\[[0-9;]*m")
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Told:
    """What a tool says of one notebook."""

    verdict: str
    """In our words; ``internal-error`` where a tool fails at it, ``nothing`` where it is silent."""
    error: str = ""
    """Name and message of what was raised, or the reason."""
    outputs: Outputs = field(default_factory=dict)
    started: str = ""
    """Of ours: forked or cold."""

    def short(self) -> str:
        first = next(iter(self.error.strip().splitlines()), "")[:_LONGEST]
        return f"{self.verdict}, {first}" if first else self.verdict


@dataclass(frozen=True, slots=True)
class Course:
    """A copy of a course, at the same place for each tool, and what it may use."""

    folder: Path
    notebooks: tuple[str, ...]
    """From the folder."""
    python: Path
    scratch: Path
    cell_time: int
    """Seconds."""
    memory: str
    jobs: int

    def paths(self) -> list[str]:
        return [str(self.folder / each) for each in self.notebooks]

    def environment(self) -> dict[str, str]:
        """The same for all tools: what kernels see of it is in no difference between them."""
        environment = os.environ | {
            "PYTHONPATH": str(RECORDING),
            "XDG_CACHE_HOME": str(self.scratch / "cache"),
            "PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}",
            "GPUCTL_BENCH_OUTPUTS": str(self.scratch / "outputs"),
        }
        for name in ("CI", "GITHUB_ACTIONS", "VIRTUAL_ENV", "COLUMNS", "LINES"):
            environment.pop(name, None)
        return environment

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.scratch,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )


Tool = Callable[[Course], dict[str, Told]]


def cpu_seconds() -> float:
    """Of all that was run and has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def forked(course: Course) -> dict[str, Told]:
    return _ours(course)


def cold(course: Course) -> dict[str, Told]:
    return _ours(course, "--cold")


def _ours(course: Course, *options: str) -> dict[str, Told]:
    recorded = course.scratch / "outputs"
    recorded.mkdir(exist_ok=True)
    for old in recorded.iterdir():
        old.unlink()
    command = [str(course.python), "-m", "jupyter_gpuctl", "validate", "--json", "--no-cache"]
    command += ["--settings", "none", "--jobs", str(course.jobs), "--memory-limit", course.memory]
    command += ["--time-limit", "none", "--cell-time-limit", str(course.cell_time), *options]
    result = course.run([*command, *course.paths()])
    if result.returncode not in (0, 1):
        raise Failed(f"validate ended with {result.returncode}: {result.stderr[-1000:]}")
    told = {each: Told("nothing") for each in course.notebooks}
    for each in json.loads(result.stdout)["notebooks"]:
        path = (course.scratch / each["path"]).resolve()
        error = each["error"]
        said = f"{error['name']}: {error['value']}" if error else each["reason"] or ""
        told[str(path.relative_to(course.folder))] = Told(
            each["verdict"], said, _recorded(recorded, path), each["started"] or ""
        )
    return told


def _recorded(folder: Path, notebook: Path) -> Outputs:
    file = folder / hashlib.sha256(str(notebook).encode()).hexdigest()
    if not file.exists():
        return {}
    lines = map(json.loads, file.read_text().splitlines())
    return {line["cell"]: line["outputs"] for line in lines}


def nbclient(course: Course) -> dict[str, Told]:
    probe = str(ROOT / "benchmarks/nbclient_probe.py")
    result = course.run([str(course.python), probe, str(course.cell_time), *course.paths()])
    told = {each: Told("nothing") for each in course.notebooks}
    for line in map(json.loads, result.stdout.splitlines()):
        name = str(Path(line["path"]).relative_to(course.folder))
        outputs = {int(cell): outputs for cell, outputs in line["outputs"].items()}
        error = f"{line['name']}: {line['value']}" if line["name"] else ""
        told[name] = Told(line["verdict"], _COLOUR.sub("", error), outputs)
    if result.returncode:
        raise Failed(f"nbclient ended with {result.returncode}: {result.stderr[-1000:]}")
    return told


def nbmake(course: Course) -> dict[str, Told]:
    settings, report = course.scratch / "pytest.ini", course.scratch / "junit.xml"
    settings.write_text("[pytest]\n")
    command = [str(course.python), "-m", "pytest", "--nbmake", "-q", "-c", str(settings)]
    command += ["--rootdir", str(course.folder), "-p", "no:cacheprovider", "--noconftest"]
    command += [f"--nbmake-timeout={course.cell_time}", f"--junitxml={report}"]
    result = course.run([*command, *course.paths()])
    if result.returncode not in (0, 1):
        raise Failed(f"nbmake ended with {result.returncode}: {result.stdout[-1000:]}")
    told = {each: Told("nothing") for each in course.notebooks}
    by_class = {each.replace("/", "."): each for each in course.notebooks}
    for case in ElementTree.parse(report).iter("testcase"):
        name = by_class[str(case.get("classname"))]
        failure, error = case.find("failure"), case.find("error")
        told[name] = Told("passed") if failure is None else _nbmake_failure(failure)
        if error is not None:
            # pytest's own, such as a folder that is a package which can't be imported.
            told[name] = Told("internal-error", error.get("message") or "")
    return told


def _nbmake_failure(failure: ElementTree.Element) -> Told:
    """nbmake has two verdicts, and tells others by the words of nbclient."""
    summary = _COLOUR.sub("", failure.get("message") or "")
    text = _COLOUR.sub("", failure.text or "")
    if summary.startswith("NBMAKE INTERNAL ERROR"):
        second = text.splitlines()[1] if "\n" in text else ""
        died = "Kernel died" in second
        return Told("kernel-died" if died else "internal-error", second)
    if summary.startswith("A cell timed out"):
        return Told("timed-out", summary)
    if summary.startswith("Error - No such kernel") or text.startswith("This file is not a valid"):
        return Told("invalid", summary)
    return Told("failed", f"{summary}\n{text}")
