"""The replay of a trace: what is measured, and that no policy can cheat. The trace is made here."""

import csv
import random
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.replay import baselines, page, part
from benchmarks.replay.compare import PEERS, POLICIES, compare
from benchmarks.replay.loop import Broken, replay
from benchmarks.replay.picture import draw
from benchmarks.replay.rules import Rules, rounded_up
from benchmarks.replay.trace import NODES, TASKS, Node, Task, read, thin
from benchmarks.servers import Failed

HEAD = (
    *("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "gpu_spec", "qos", "pod_phase"),
    *("creation_time", "deletion_time", "scheduled_time"),
)
KINDS = ((1, 1000), (1, 1000), (1, 500), (1, 250), (1, 810), (2, 1000), (4, 1000), (0, 0))


def row(name, count, milli, created, scheduled, deleted, models=""):
    phase = "Running" if scheduled != "" else "Pending"
    return (name, 4000, 8192, count, milli, models, "LS", phase, created, deleted, scheduled)


def write_trace(folder, rows, nodes=(("a", 4, "G2"), ("b", 2, "T4"), ("c", 2, "T4"))):
    with (folder / NODES).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("sn", "cpu_milli", "memory_mib", "gpu", "model"))
        writer.writerows((name, 64000, 262144, count, model) for name, count, model in nodes)
    with (folder / TASKS).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEAD)
        writer.writerows(rows)
    return folder


@pytest.fixture
def sample(tmp_path):
    """Two hundred tasks for eight devices, more than they can do at once."""
    chance = random.Random(3)
    rows, now = [], 0
    for number in range(200):
        now += chance.randrange(120)
        count, milli = chance.choice(KINDS)
        seconds = round(chance.lognormvariate(5.5, 1.5)) + 1
        began = "" if number % 17 == 0 else now + chance.randrange(60)
        ended = now + 900 if began == "" else began + seconds
        rows.append(row(f"task-{number:03}", count, milli, now, began, ended))
    return read(write_trace(tmp_path, rows))


def run(nodes, tasks, scheduler, **options):
    return replay("test", nodes, tasks, (0, 1000), scheduler, **options)


def test_only_tasks_that_asked_for_gpus_and_ran_are_replayed_and_the_others_are_counted(tmp_path):
    rows = [
        row("late", 1, 250, 90, 95, 105, "T4|G2"),
        row("no-gpu", 0, 0, 10, 12, 20),
        row("never-ran", 1, 1000, 10, "", 500),
        row("whole", 2, 1000, 10, 40, 100),
    ]
    trace = read(write_trace(tmp_path, rows))
    assert trace.tasks == (
        Task("whole", 10, 60, 2000),
        Task("late", 90, 10, 250, ("T4", "G2")),
    )
    assert (trace.without_gpu, trace.never_ran) == (1, 1)
    assert trace.nodes[0] == Node("a", "G2", 4)


def test_a_node_has_its_devices_in_order_and_claims_no_memory():
    found = [(device.uuid, device.index, device.memory) for device in TWO[0].devices()]
    assert found == [("a/0", 0, None), ("a/1", 1, None)]


def test_a_folder_without_the_trace_is_named(tmp_path):
    with pytest.raises(Failed, match=str(tmp_path)):
        read(tmp_path)


def test_a_table_of_something_else_is_refused(tmp_path):
    write_trace(tmp_path, [])
    (tmp_path / TASKS).write_text("name,size\nx,1\n")
    with pytest.raises(Failed, match="holds no such trace"):
        read(tmp_path)


def test_without_a_trace_it_says_where_to_get_one_and_how_to_give_it():
    with pytest.raises(Failed, match=r"clusterdata.*--trace FOLDER, or GPUCTL_TRACE"):
        list(part.figures(None, quick=True, keep=False, say=print))


def test_a_thinned_cluster_keeps_the_proportions_and_is_always_the_same():
    nodes = [Node(f"g{at}", "G2", 8) for at in range(60)]
    nodes += [Node(f"t{at}", "T4", 2) for at in range(30)]
    few = thin(nodes, 9)
    assert sorted(node.model for node in few) == ["G2"] * 6 + ["T4"] * 3
    assert few == thin(list(reversed(nodes)), 9)
    assert few != thin(nodes, 9, 0.1)


TWO = (Node("a", "G2", 2),)
BLOCKED = (
    Task("long", 0, 100, 1000),
    Task("pair", 10, 50, 2000),
    Task("short", 20, 30, 1000),
)


def test_first_come_first_served_lets_the_head_block_what_would_fit():
    assert run(TWO, BLOCKED, baselines.first_come(TWO)).waits == {
        "long": 0,
        "pair": 90,
        "short": 130,
    }


def test_best_fit_starts_whatever_fits():
    assert run(TWO, BLOCKED, baselines.best_fit(TWO)).waits == {"long": 0, "pair": 90, "short": 0}


def test_best_fit_lets_small_tasks_keep_a_large_one_waiting():
    tasks = (*BLOCKED, *(Task(f"more-{at}", 45 + 40 * at, 45, 1000) for at in range(5)))
    assert run(TWO, tasks, baselines.best_fit(TWO)).waits["pair"] > 90


def test_the_rules_fill_the_gap_before_the_head_but_never_delay_it():
    tasks = (*BLOCKED, *(Task(f"more-{at}", 45 + 40 * at, 45, 1000) for at in range(5)))
    waits = run(TWO, tasks, Rules(TWO)).waits
    assert (waits["short"], waits["pair"]) == (0, 90)


@pytest.mark.parametrize(("policy", "together"), [("best_fit", True), ("worst_fit", False)])
def test_best_fit_packs_shares_and_worst_fit_spreads_them(policy, together):
    seen = []

    class Watched:
        def __init__(self):
            self.inner = getattr(baselines, policy)(TWO)

        def cycle(self, now, arrived, ended):
            started = list(self.inner.cycle(now, arrived, ended))
            seen.extend(started)
            return started

    run(TWO, (Task("x", 0, 50, 250), Task("y", 1, 50, 250)), Watched())
    assert (seen[0][1] == seen[1][1]) is together


class Cheat:
    """Starts everything on the same devices at once."""

    def __init__(self, *devices):
        self.devices = devices

    def cycle(self, now, arrived, ended):
        return [(task, self.devices) for task in arrived]


@pytest.mark.parametrize(
    ("tasks", "devices"),
    [
        ((Task("x", 0, 9, 600), Task("y", 0, 9, 600)), ("a/0",)),
        ((Task("x", 0, 9, 2000),), ("a/0", "a/0")),
        ((Task("x", 0, 9, 2000),), ("a/0", "b/0")),
        ((Task("x", 0, 9, 2000),), ("a/0",)),
        ((Task("x", 0, 9, 500, ("T4",)),), ("a/0",)),
    ],
    ids=["over-packed", "twice the same", "on two hosts", "too few", "wrong model"],
)
def test_a_policy_that_cheats_is_found_out(tasks, devices):
    with pytest.raises(Broken):
        run((Node("a", "G2", 2), Node("b", "T4", 2)), tasks, Cheat(*devices))


def test_a_task_that_is_never_started_is_found_out():
    class Lazy:
        def cycle(self, now, arrived, ended):
            return ()

    with pytest.raises(Broken, match="never started"):
        run(TWO, (Task("x", 0, 9, 500),), Lazy())


def test_what_is_idle_and_what_fits_nobody_are_told_apart():
    """From 10 to 100 a whole device is free, the pair at the head needs two, the short one fits."""
    found = run(TWO, BLOCKED, baselines.first_come(TWO))
    # 10..100: one of two idle; 150..180, when "short" runs, nobody waits.
    assert found.idle == pytest.approx(90 * 1000 / (1000 * 2000))
    # Until 20 only the pair waits, and one device is no use to it.
    assert found.unfit == pytest.approx(10 * 1000 / (1000 * 2000))
    assert found.in_use == pytest.approx((100 + 2 * 50 + 30) / (1000 * 2))
    assert found.waiting == pytest.approx((150 - 10) / 1000)


def test_fragments_for_the_mix_are_those_of_the_published_measure():
    """One of two devices has 400 left, in use for the first 100 of 1000 seconds."""
    tasks = (Task("small", 0, 100, 600), Task("pair", 500, 1, 2000))
    found = run(TWO, tasks, baselines.best_fit(TWO))
    # Half of the tasks ask for 600: of 400 and 1000 free the 400 are too small. Half ask for two
    # whole devices: they find no place, so all 1400 are lost to them. Later nothing is lost while
    # all is free; while the pair runs nothing is free.
    expected = (0.5 * 400 + 0.5 * 1400) * 100 / (2000 * 1000)
    assert found.fragments == pytest.approx(expected)


def test_with_a_quantum_nothing_is_decided_in_between():
    tasks = (Task("x", 1, 100, 1000), Task("y", 61, 100, 1000))
    assert run(TWO, tasks, baselines.best_fit(TWO), quantum=60).waits == {"x": 59, "y": 59}


@st.composite
def histories(draw):
    kinds = st.sampled_from((100, 250, 333, 500, 810, 1000, 1000, 2000, 4000))
    tasks = draw(st.lists(st.tuples(st.integers(0, 900), st.integers(1, 400), kinds), min_size=1))
    return tuple(
        Task(f"t{at}", arrival, seconds, milli)
        for at, (arrival, seconds, milli) in enumerate(sorted(tasks))
    )


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=25, deadline=None)
@given(tasks=histories())
@example(tasks=(Task("t0", 425, 400, 100),))  # begins at the border of two bins of the series
def test_every_policy_starts_every_task_once_and_none_before_it_came(policy, tasks):
    nodes = (Node("a", "G2", 4), Node("b", "T4", 2))
    found = run(nodes, tasks, POLICIES[policy](nodes))
    assert found.waits.keys() == {task.name for task in tasks}
    assert min(found.waits.values()) >= 0
    assert 0 <= found.unfit <= found.idle <= 1
    assert 0 <= found.in_use <= 1
    assert all(0 <= value <= 1 + 1e-9 for each in found.series for value in each)


def test_times_are_rounded_up_to_what_people_choose_from():
    assert rounded_up(Task("x", 0, 901, 1000)) == 3600
    assert rounded_up(Task("x", 0, 900, 1000)) == 900
    assert rounded_up(Task("x", 0, 10**9, 1000)) == 10**9


def test_a_comparison_fills_its_page_and_its_picture(sample, tmp_path):
    found = compare(sample, quick=True, say=lambda line: None, settings=((3, 0.5),))
    place = tmp_path / "replay.md"
    place.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n")
    page.write(place, found, "Here and now.")
    text = place.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "8 devices" in text
    for name in POLICIES:
        assert f"| {name} |" in text or f"| **{name}** |" in text
    picture = draw(found.shown, 1.0, "A & B < C")
    root = ElementTree.fromstring(picture)
    lines = [each for each in root.iter() if each.tag.endswith("polyline")]
    assert len(lines) == 3 * len(POLICIES)
    assert "prefers-color-scheme: dark" in picture


def test_figures_stand_beside_each_peer(sample):
    found = compare(sample, quick=True, say=lambda line: None, settings=((3, 0.5),))
    lines = list(part.lines(found))
    assert {line.peer for line in lines} == set(PEERS)
    assert all(line.met is (line.ours < line.theirs) for line in lines)
