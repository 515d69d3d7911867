"""What to configure for learners: the rule, and the forms that it is told in."""

from __future__ import annotations

import json
import math
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.core.decoding import decode
from jupyter_gpuctl.validation.model import Limits, NotebookResult, Started, Tier, Verdict
from jupyter_gpuctl.validation.needs import Recommendation, Rule
from jupyter_gpuctl.validation.recommended import FORMATS, render, sentence
from jupyter_gpuctl.validation.sizing import memory_limit, recommend, rounded, shm_size

MIB = 1024**2
sizes = st.integers(0, 64 * 1024 * MIB)
some = st.lists(sizes, min_size=1, max_size=12)
rules = st.builds(
    Rule, st.integers(1, 5), st.floats(1, 3, allow_nan=False), st.integers(0, 1024 * MIB)
)


def result(
    path: str = "a.ipynb",
    peak: int | None = 200 * MIB,
    verdict: Verdict = Verdict.PASSED,
    *,
    shared: int | None = None,
    seconds: float = 4.0,
    cpu: float = 2.0,
    limit: int | None = None,
) -> NotebookResult:
    return NotebookResult(
        path, verdict, "", "", seconds, cpu, peak, Tier.CGROUP_V2, Started.COLD, None, None, (),
        (), limits=Limits(600.0, None, limit), peak_shared=shared,
    )  # fmt: skip


@given(sizes)
def test_rounding_is_never_below_need_and_never_a_step_above(size: int) -> None:
    up = rounded(size)
    assert size <= up < size + 256 * MIB
    assert up % (128 * MIB) == 0
    assert rounded(up) == up


@given(some, rules, st.data())
def test_a_larger_peak_never_gives_a_smaller_limit(
    peaks: list[int], rule: Rule, data: st.DataObject
) -> None:
    grown = [peak + data.draw(st.integers(0, 1024 * MIB)) for peak in peaks]
    assert memory_limit(grown, rule) >= memory_limit(peaks, rule)
    before = recommend([result(str(n), peak) for n, peak in enumerate(peaks)], rule)
    after = recommend([result(str(n), peak) for n, peak in enumerate(grown)], rule)
    assert before is not None
    assert after is not None
    assert (after.memory_guarantee or 0) >= (before.memory_guarantee or 0)


@given(some, rules)
def test_what_learners_have_open_fits_beside_the_server(peaks: list[int], rule: Rule) -> None:
    found = recommend([result(str(n), peak) for n, peak in enumerate(peaks)], rule)
    assert found is not None
    largest = sorted(peaks)[-rule.open_notebooks :]
    assert found.memory_limit is not None
    assert found.memory_limit >= rule.server_memory + sum(largest)
    assert found.memory_guarantee is not None
    assert found.memory_guarantee <= found.memory_limit
    assert [peak.memory for peak in found.largest] == sorted(largest, reverse=True)
    assert not found.lower_bound


@given(st.lists(sizes, max_size=8), rules)
def test_shared_memory_is_only_asked_for_beyond_what_containers_have(
    peaks: list[int], rule: Rule
) -> None:
    wanted = math.ceil(sum(sorted(peaks)[-rule.open_notebooks :]) * rule.headroom)
    size = shm_size(peaks, rule)
    assert (size is None) == (wanted <= 64 * MIB)
    assert size is None or size >= wanted


def test_a_notebook_out_of_memory_makes_the_figures_a_lower_bound() -> None:
    found = recommend(
        [result(), result("b.ipynb", 512 * MIB, Verdict.OUT_OF_MEMORY, limit=512 * MIB)]
    )
    assert found is not None
    assert found.lower_bound
    (left,) = found.left_out
    assert (left.path, left.verdict, left.more_than) == ("b.ipynb", "out-of-memory", 512 * MIB)
    assert "at least" in sentence(found)
    assert "needs more than 512 MiB" in render(found, "z2jh")


def test_what_was_skipped_by_an_interruption_is_not_taken_for_known() -> None:
    skipped = result("b.ipynb", None, Verdict.SKIPPED)
    whole, part = recommend([result(), skipped]), recommend([result(), skipped], interrupted=True)
    assert whole is not None
    assert part is not None
    assert not whole.lower_bound
    assert part.lower_bound


def test_nothing_known_is_said_and_nothing_run_recommends_nothing() -> None:
    failed = recommend([result(peak=None, verdict=Verdict.INVALID)])
    assert failed is not None
    assert failed.memory_limit is None
    assert yaml.safe_load(render(failed, "z2jh")) == {}
    assert render(failed, "docker") == "\n"
    assert recommend([result(peak=None, verdict=Verdict.SKIPPED)]) is None


def test_cores_are_those_kept_busy_and_short_runs_tell_nothing() -> None:
    four = recommend([result(seconds=10.0, cpu=31.0)])
    short = recommend([result(seconds=0.4, cpu=0.4)])
    assert four is not None
    assert short is not None
    assert four.cpu_limit == 4.0
    assert short.cpu_limit is None


SCHEMA_TYPES: dict[str, Any] = {
    # jupyterhub/zero-to-jupyterhub-k8s 48ea50e, jupyterhub/values.schema.yaml, July 2026: under
    # singleuser, with additionalProperties false; ``memory`` takes number, string or null, ``cpu``
    # number or null, ``storage`` lists of native Kubernetes volumes and mounts.
    "memory": {"limit": (str, int, float), "guarantee": (str, int, float)},
    "cpu": {"limit": (int, float), "guarantee": (int, float)},
    "storage": {"extraVolumes": (list,), "extraVolumeMounts": (list,)},
}


@given(
    st.lists(st.tuples(st.text(max_size=12), sizes, sizes), min_size=1, max_size=4),
    st.sampled_from([Verdict.PASSED, Verdict.OUT_OF_MEMORY, Verdict.FAILED]),
)
def test_the_chart_takes_the_values_whatever_notebooks_are_called(
    named: list[tuple[str, int, int]], last: Verdict
) -> None:
    notebooks = [result(name, peak, shared=shared) for name, peak, shared in named]
    found = recommend([*notebooks, result(named[0][0], verdict=last)])
    assert found is not None
    values = yaml.safe_load(render(found, "z2jh"))
    assert set(values) == {"singleuser"}
    for name, table in values["singleuser"].items():
        for key, value in table.items():
            assert isinstance(value, SCHEMA_TYPES[name][key]), (name, key, value)
    limit = values["singleuser"]["memory"]["limit"]
    # JupyterHub's M is 1024² bytes.
    assert int(limit.removesuffix("M")) * MIB == found.memory_limit
    for form in FORMATS:
        assert render(found, form).endswith("\n")


def test_docker_gets_no_swap_and_programs_get_all_of_it() -> None:
    found = recommend([result(shared=300 * MIB), result("b.ipynb", 1024 * MIB, shared=0)])
    assert found is not None
    assert render(found, "docker") == (
        "--memory 1664m --memory-swap 1664m --memory-reservation 1152m --shm-size 384m --cpus 1\n"
    )
    assert decode(Recommendation, json.loads(render(found, "json"))) == found
