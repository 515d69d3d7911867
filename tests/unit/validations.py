"""Validations as tests of reports want them: of every kind, with hostile text, and at random."""

from __future__ import annotations

import random
from datetime import UTC, datetime

from hypothesis import strategies as st

from jupyter_gpuctl.validation.model import (
    SCHEMA,
    CellError,
    CellResult,
    CellStatus,
    Finding,
    Limits,
    NotebookResult,
    ProcessMemory,
    Started,
    Tier,
    Validation,
    Verdict,
    unrun,
)
from jupyter_gpuctl.validation.needs import Peak, Recommendation, Rule, Unmeasured

MIB = 1024**2
START = datetime(2027, 1, 4, 10, 0, tzinfo=UTC)
LIMITS = Limits(600.0, 120.0, 2048 * MIB)

NASTY = [
    "]]>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</style></title></textarea>",
    '" onmouseover="alert(1)',
    "```\n# out of the fence\n",
    "~~~~",
    "| a | b |\n| --- | --- |",
    "\\|",
    "[x](javascript:alert(1)) ![x](http://x.invalid/y.png)",
    "@everyone www.x.invalid http://x.invalid/",
    "\n::error::not mine\r::warning::nor this\r\n::stop-commands::x",
    "a,b:c%0Ad",
    "\x00\x01\x1b[31mred\x1b[0m\x9b\x85",
    "\ud800 \udfff \udce9",
    "\ufffe\uffff\u2028\u2029",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;&amp;&#0;",
    "עברית \u202e gpj.exe",
    "🦉" * 3,
]
texts = st.one_of(
    st.sampled_from(NASTY),
    st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=8)), max_size=4).map("".join),
    # Lone surrogates too: names of files hold them.
    st.text(st.characters(), max_size=20),
)
_seconds = st.floats(0, 1e5, allow_nan=False)
_bytes = st.integers(0, 2**45)
_errors = st.builds(CellError, texts, texts, st.none() | st.integers(1, 40), st.none() | texts)
_cells = st.builds(
    CellResult,
    st.integers(0, 60),
    st.none() | texts,
    st.sampled_from(CellStatus),
    st.none() | _seconds,
    st.none() | _seconds,
    st.none() | _bytes,
    st.none() | _errors,
    st.none() | _seconds,
    texts,
)
_notebooks = st.builds(
    NotebookResult,
    path=texts.map(lambda text: text.replace("\0", "") or "n.ipynb"),
    verdict=st.sampled_from(Verdict),
    reason=texts,
    hint=texts,
    duration=st.none() | _seconds,
    cpu_seconds=st.none() | _seconds,
    peak_memory=st.none() | _bytes,
    enforced_by=st.none() | st.sampled_from(Tier),
    started=st.sampled_from(Started),
    cell=st.none() | st.integers(0, 60),
    error=st.none() | _errors,
    processes=st.lists(
        st.builds(ProcessMemory, st.integers(1, 99), texts, _bytes, st.booleans()), max_size=2
    ).map(tuple),
    cells=st.lists(_cells, max_size=4).map(tuple),
    memory=st.lists(st.tuples(_seconds, _bytes), max_size=6).map(lambda each: tuple(sorted(each))),
    findings=st.lists(
        st.builds(
            Finding,
            texts,
            texts,
            texts,
            st.none() | st.integers(0, 60),
            st.none() | st.integers(1, 9),
            st.booleans(),
            texts,
        ),
        max_size=3,
    ).map(tuple),
    limits=st.none() | st.just(LIMITS),
)
validations = st.builds(
    Validation,
    schema=st.just(SCHEMA),
    started_at=st.just(START),
    duration=_seconds,
    limits=st.sampled_from([LIMITS, Limits()]),
    interrupted=st.booleans(),
    notebooks=st.lists(_notebooks, max_size=3).map(tuple),
    since=texts,
    left_out=st.integers(0, 3),
)


def validation(*notebooks: NotebookResult, **others: object) -> Validation:
    """One of these notebooks."""
    values = {"duration": 112.0, "limits": LIMITS, "interrupted": False, **others}
    return Validation(schema=SCHEMA, started_at=START, notebooks=notebooks, **values)  # type: ignore[arg-type]


def notebook(
    path: str,
    verdict: Verdict = Verdict.PASSED,
    *,
    cells: int = 6,
    seed: int = 0,
    error: CellError | None = None,
    reason: str = "",
    **others: object,
) -> NotebookResult:
    """A notebook that ran, with a curve of memory; the last cell that ran decided the verdict."""
    rng = random.Random(f"{path!a}{seed}")
    good = verdict in (Verdict.PASSED, Verdict.SKIPPED)
    status = {
        Verdict.FAILED: CellStatus.ERROR,
        Verdict.TIMED_OUT: CellStatus.TIMED_OUT,
        Verdict.OUT_OF_MEMORY: CellStatus.OUT_OF_MEMORY,
        Verdict.KERNEL_DIED: CellStatus.KERNEL_DIED,
    }.get(verdict, CellStatus.OK)
    decides = cells - 1 if good else max(1, cells - 2)
    at, held, results, curve = 0.4, 40.0 * MIB, [], [(0.0, 2 * MIB), (0.35, 40 * MIB)]
    for number in range(cells):
        first = rng.choice(["import pandas as pd", "x = np.linspace(0, 1, 10_000)", "df.head()"])
        blank = CellResult(2 * number + 1, f"c{number}", CellStatus.NOT_RUN, None, None, None, None)
        if number > decides:
            results.append(blank)
            continue
        seconds = rng.choice([0.02, 0.3, 1.2, 4.0]) * rng.uniform(0.5, 2)
        peak = 0
        for step in range(12):
            held = max(30 * MIB, held + rng.uniform(-20, 30) * MIB)
            peak = max(peak, int(held))
            curve.append((round(at + seconds * (step + 1) / 12, 3), int(held)))
        last = number == decides
        results.append(
            CellResult(
                2 * number + 1, f"c{number}", status if last else CellStatus.OK, round(seconds, 3),
                round(seconds * 0.9, 2), peak, error if last else None, round(at, 3), first,
            )
        )  # fmt: skip
        at += seconds + 0.01
    return NotebookResult(
        path, verdict, reason, str(others.pop("hint", "")), round(at, 3), round(at, 2),
        max(held for _, held in curve), Tier.CGROUP_V2, Started.FORKED,
        None if good else 2 * decides + 1, error, others.pop("processes", ()), tuple(results),
        memory=tuple(curve), **others,
    )  # fmt: skip


def of_all_verdicts() -> Validation:
    """One notebook of each verdict, as a course would have them."""
    missing = CellError("NameError", "name 'df' is not defined", 4, "z = df.head()")
    held = (
        ProcessMemory(41, "python3", 1400 * MIB, False),
        ProcessMemory(40, "python3", 620 * MIB, True),
    )
    return validation(
        notebook("course/01-intro.ipynb", cells=9),
        notebook("course/02-arrays.ipynb", cells=14),
        notebook(
            "course/03-frames.ipynb", Verdict.FAILED, error=missing,
            reason="cell 12: NameError: name 'df' is not defined", cells=7,
        ),
        notebook(
            "course/04-train.ipynb", Verdict.OUT_OF_MEMORY, cells=8, processes=held,
            reason="cell 14 reached 2.0 GiB after 41 s", limits=Limits(600.0, 120.0, 300 * MIB),
            error=CellError("out-of-memory", "cell 14 reached 2.0 GiB", None, "model.fit(X, y)"),
        ),
        notebook(
            "course/05-wait.ipynb", Verdict.TIMED_OUT, reason="cell 10 ran longer than 120.0 s",
            error=CellError("KeyboardInterrupt", "", 2, "time.sleep(1000)"),
        ),
        notebook(
            "course/06-crash.ipynb", Verdict.KERNEL_DIED,
            reason="the kernel was killed by SIGSEGV in cell 10",
            error=CellError("kernel-died", "killed by SIGSEGV", None, "ctypes.string_at(0)"),
        ),
        unrun(
            "course/07-julia.ipynb", Verdict.INVALID, "kernel 'julia-1.10' is not installed",
            "Install it, or give --kernel. Installed here: python3.",
        ),
        unrun("course/08-reading.ipynb", Verdict.SKIPPED, "it has no code cell to run"),
        notebook(
            "course/09-links.ipynb",
            findings=(Finding("broken-link", "img/plot.png is not there.", "Add it.", 2, 1),),
        ),
        notebook(
            "course/10-outputs.ipynb",
            findings=(
                Finding(
                    "output-differs", "The output is not the stored one.", "", 1, None,
                    fails=True, detail="- 41\n+ 42",
                ),
            ),
        ),
        recommendation=Recommendation(
            3584 * MIB, 1024 * MIB, 2.0, None, lower_bound=True, rule=Rule(),
            largest=(Peak("course/01-intro.ipynb", 855 * MIB),),
            left_out=(Unmeasured("course/04-train.ipynb", "out-of-memory", 300 * MIB),),
        ),
    )  # fmt: skip


def hostile() -> Validation:
    """Every nasty text in every place."""
    everything = "".join(NASTY)
    made = []
    for number, text in enumerate([*NASTY, everything]):
        name = f"{number}{text}".replace("\0", "").replace("/", "")
        error = CellError(text, everything, 1, text)
        finding = Finding(text, text, text, 1, 1, fails=bool(number % 2))
        made.append(
            notebook(
                name, list(Verdict)[number % 5], cells=2, error=error, reason=text, hint=text,
                processes=(ProcessMemory(1, text, MIB, False),), findings=(finding,),
            )
        )  # fmt: skip
    return validation(*made, since=everything, left_out=2)
