"""Courses that others publish, run by us and by others, and what each says of every notebook.

``python -m benchmarks.courses FOLDER… [--python PYTHON]``. Nothing is bundled and nothing is
fetched: give folders with notebooks, and a Python that has their packages, nbmake, and this
package. Each tool gets a fresh copy of the course, at the same path. Printed are Markdown tables;
``--save FILE`` keeps all that was said, as JSON. Exit status: 0 all agree, 1 something differs
(which may well have its reason: read it), 2 wrong usage, 3 a tool could not be run.

Run are: ours with forked kernels, ours with ``--cold``, ``pytest --nbmake`` and plain nbclient,
with the same limit for a cell. Ours has a memory limit as well, and says so where it was reached.
A verdict is the same if it is the same word and, of what failed, the same name and message of the
error; texts without code are ``skipped`` here and pass there. How outputs are compared stands in
``course_outputs``; cold runs are repeated where forked and cold differ.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from . import course_tools
from .course_outputs import LEVELS, alike, judge, shown, worst
from .course_tools import Course, Outputs, Told
from .servers import Failed

TOOLS: dict[str, course_tools.Tool] = {
    "forked": course_tools.forked,
    "cold": course_tools.cold,
    "nbmake": course_tools.nbmake,
    "nbclient": course_tools.nbclient,
}
AGAIN = 2
"""Further cold runs of notebooks whose outputs differ."""
VERDICTS = (
    *("passed", "failed", "timed-out", "out-of-memory"),
    *("kernel-died", "invalid", "internal-error", "nothing"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """Of one course."""

    name: str
    told: dict[str, dict[str, Told]]
    """By tool and notebook."""
    cpu: dict[str, float]
    """Seconds, by tool."""
    levels: dict[str, dict[int, str]]
    """By notebook and cell: forked beside cold."""
    as_nbclient: dict[str, dict[int, str]]
    """Ours cold beside nbclient."""
    colds: dict[str, list[Outputs]]


def say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def out(line: str = "") -> None:
    sys.stdout.write(line + "\n")


def notebooks_of(folder: Path, patterns: Sequence[str]) -> tuple[str, ...]:
    """Paths from ``folder``, in order."""
    found = {each for pattern in patterns for each in folder.glob(pattern) if each.is_file()}
    return tuple(
        sorted(str(each.relative_to(folder)) for each in found if not _is_copy(each, folder))
    )


def _is_copy(path: Path, folder: Path) -> bool:
    return ".ipynb_checkpoints" in path.relative_to(folder).parts


def fresh(source: Path, folder: Path) -> None:
    """The course as it was, at ``folder``."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder, symlinks=True, ignore=shutil.ignore_patterns(".git"))


def measure(source: Path, name: str, course: Course) -> Result:
    """Run everything. Raises Failed: a tool can't be run."""
    told: dict[str, dict[str, Told]] = {}
    cpu: dict[str, float] = {}
    for tool, run in TOOLS.items():
        fresh(source, course.folder)
        before = course_tools.cpu_seconds()
        told[tool] = run(course)
        cpu[tool] = course_tools.cpu_seconds() - before
        say(f"  {tool}: {cpu[tool]:.0f} s of CPU")
    colds = {each: [told["cold"][each].outputs] for each in course.notebooks}
    levels = {each: judge(told["forked"][each].outputs, colds[each]) for each in course.notebooks}
    differing = tuple(each for each in course.notebooks if worst(levels[each]) == "different")
    for _ in range(AGAIN if differing else 0):
        say(f"  cold again: {len(differing)}")
        fresh(source, course.folder)
        for each, again in course_tools.cold(replace(course, notebooks=differing)).items():
            colds[each].append(again.outputs)
    for each in differing:
        levels[each] = judge(told["forked"][each].outputs, colds[each])
    as_nbclient = {
        each: {
            cell: level
            for cell, level in judge(told["nbclient"][each].outputs, colds[each]).items()
            if cell in told["cold"][each].outputs
        }
        for each in course.notebooks
    }
    return Result(name, told, cpu, levels, as_nbclient, colds)


def same(ours: Told, theirs: Told) -> bool:
    """Whether two tools say the same.

    nbmake tells the last line of a traceback, and the whole of it: IPython's ends with name and
    message of the error, R's begins with the message.
    """
    if "passed" in (ours.verdict, theirs.verdict):
        return {ours.verdict, theirs.verdict} <= {"passed", "skipped"}
    if ours.verdict != theirs.verdict or ours.verdict != "failed":
        return ours.verdict == theirs.verdict
    said = [alike(line).strip() for line in ours.error.splitlines() if line.strip()]
    lines = {alike(line).strip() for line in theirs.error.splitlines()}
    return bool(said) and not lines.isdisjoint({said[0], said[-1], said[0].removeprefix("ERROR: ")})


def differences(result: Result) -> Iterator[str]:
    """A line for each notebook of which two say different things."""
    for notebook, forked in result.told["forked"].items():
        cold = result.told["cold"][notebook]
        others = [("nbmake", result.told["nbmake"][notebook])]
        others.append(("nbclient", result.told["nbclient"][notebook]))
        if not same(forked, cold) or forked.verdict != cold.verdict:
            yield f"- `{notebook}`: forked {forked.short()}; cold {cold.short()}"
        for tool, theirs in others:
            if not same(cold, theirs):
                yield f"- `{notebook}`: ours {cold.short()}; {tool} {theirs.short()}"
        for cell, level in result.levels[notebook].items():
            if level in ("unsteady", "different"):
                where = shown(forked.outputs.get(cell), cold.outputs.get(cell))
                yield f"- `{notebook}`, outputs of cell {cell + 1} {level}: {where}"
        for cell, level in result.as_nbclient[notebook].items():
            if level == "different" and result.levels[notebook].get(cell) != "unsteady":
                theirs_outputs = result.told["nbclient"][notebook].outputs.get(cell)
                where = shown(cold.outputs.get(cell), theirs_outputs)
                yield f"- `{notebook}`, outputs of cell {cell + 1}, ours and nbclient's: {where}"


def counted(told: dict[str, Told]) -> str:
    """How many of each verdict; what has no code to run passes elsewhere."""
    counts = Counter(
        "passed" if each.verdict == "skipped" else each.verdict for each in told.values()
    )
    return ", ".join(f"{counts[each]} {each}" for each in VERDICTS if counts[each])


def table(results: Sequence[Result]) -> Iterator[str]:
    yield "| course | notebooks | forked | cold | nbmake | nbclient |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for each in results:
        cells = [counted(each.told[tool]) for tool in TOOLS]
        yield f"| {each.name} | {len(each.levels)} | " + " | ".join(cells) + " |"
    yield ""
    yield "| course | kernels forked | outputs, forked and cold: " + " | ".join(LEVELS) + " |"
    yield "| --- | --- |" + " --- |" * len(LEVELS)
    for each in results:
        forked = sum(told.started == "forked" for told in each.told["forked"].values())
        counts = Counter(worst(levels) for levels in each.levels.values())
        cells_by_level = Counter(
            level for cells in each.levels.values() for level in cells.values()
        )
        figures = [f"{counts[name]} ({cells_by_level[name]} cells)" for name in LEVELS]
        yield f"| {each.name} | {forked} | " + " | ".join(figures) + " |"
    yield ""
    yield "| course | CPU seconds: " + " | ".join(TOOLS) + " |"
    yield "| --- |" + " --- |" * len(TOOLS)
    for each in results:
        yield f"| {each.name} | " + " | ".join(f"{each.cpu[tool]:.0f}" for tool in TOOLS) + " |"


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.courses", description=__doc__)
    arguments.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="a course")
    arguments.add_argument("--python", type=Path, default=Path(sys.executable))
    arguments.add_argument("--timeout", type=int, default=300, help="seconds for a cell")
    arguments.add_argument("--memory-limit", default="3GiB", help="ours only")
    arguments.add_argument("--jobs", type=int, default=1, help="ours only; the others run one")
    arguments.add_argument("--glob", action="append", help="which notebooks of a folder")
    arguments.add_argument("--save", type=Path, help="all that was said, as JSON")
    given = arguments.parse_args()
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="gpuctl-courses-") as name:
        scratch = Path(name).resolve()
        for source in given.folders:
            notebooks = notebooks_of(source, given.glob or ["**/*.ipynb"])
            if not notebooks:
                arguments.error(f"{source} holds no notebook")
            say(f"{source}: {len(notebooks)} notebooks")
            course = Course(
                scratch / "course",
                notebooks,
                given.python.absolute(),
                scratch,
                given.timeout,
                given.memory_limit,
                given.jobs,
            )
            try:
                results.append(measure(source, source.resolve().name, course))
            except Failed as problem:
                say(f"{source}: {problem}")
                return 3
            if given.save:
                given.save.write_text(json.dumps([asdict(each) for each in results]))
    for line in table(results):
        out(line)
    found = 0
    for result in results:
        lines = list(differences(result))
        found += len(lines)
        out(f"\n## {result.name}\n")
        for line in lines or ["No differences."]:
            out(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
