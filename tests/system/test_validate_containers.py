"""The real command with kernels in containers of a real Docker engine."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_gpuctl.core.errors import Unavailable
from jupyter_gpuctl.engines.docker import DockerEngine
from jupyter_gpuctl.engines.model import ContainerSpec, Mount

from .docker_engine import docker, engine, image
from .hostile import write_case
from .test_validate import HOSTILE, LIMIT, SLEEPER, cases_of, differences
from .validating import Run, validate, wait_for, write_notebook

USER = 12345
"""For whom the course is: nobody of this machine."""
IGNORED = {"kills its parent", "kills the worker"}
"""From within a container its first process can't be killed."""
TRIED = (
    "passes", "error", "sleeps", "swallows interrupts", "children eat memory", "eats memory",
    "an escaped grandchild eats memory", "exits", "crashes", "kills itself", "aborts", "asks",
    "kills its parent", "fills shared memory", "other kernel", "no kernelspec",
)  # fmt: skip
"""tests/soak/soak_hostile.py tries all."""

CONFINED = """
import os, socket
from pathlib import Path
status = dict(line.split(':\\t', 1) for line in Path('/proc/self/status').read_text().splitlines())
assert os.getuid() == %d and os.getgid() == %d
assert {int(status[f'Cap{one}'], 16) for one in ('Inh', 'Prm', 'Eff', 'Bnd', 'Amb')} == {0}
assert status['NoNewPrivs'].strip() == '1'
assert [name for _, name in socket.if_nameindex()] == ['lo']
assert 'GPUCTL_TEST_RUN' not in os.environ
assert os.environ['FROM_THE_SPECIFICATION'] == 'yes'
assert os.environ['NVIDIA_VISIBLE_DEVICES'] == 'void'
for place in ('/', '/opt/kernel', '/etc'):
    try:
        Path(place, 'mine').write_text('x')
    except OSError as error:
        pass
    else:
        raise AssertionError(place)
Path('/tmp/mine').write_text('x')
assert Path('../data.txt').read_text() == 'here'
Path('written').write_text('by a cell')
try:
    Path('../.git/config').write_text('[core]\\nfsmonitor = touch /tmp/mine')
except OSError:
    pass
else:
    raise AssertionError('git')
shm = os.statvfs('/dev/shm')
assert shm.f_blocks * shm.f_frsize == %d
"""


@pytest.fixture(scope="module")
def named() -> Iterator[str]:
    """An image; the engine that has it is that of ``DOCKER_HOST``."""
    with engine() as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", address)
        with image() as name:
            yield name


@pytest.fixture
def course(tmp_path: Path, named: str) -> Path:
    folder = tmp_path / "course"
    folder.mkdir()
    return folder


def give(course: Path) -> None:
    """To the user for whom the course is."""
    if os.getuid() == 0:
        for path in (course, *course.rglob("*")):
            os.chown(path, USER, USER)


def in_containers(course: Path, named: str, *more: str) -> Run:
    give(course)
    return validate(
        course.parent, "course", "--json", "--engine", "docker", "--image", named,
        "--memory-limit", f"{LIMIT}B", *more,
    )  # fmt: skip


def ours() -> list[str]:
    return docker("ps", "--all", "--quiet", "--filter", "label=gpuctl.dev/workload").split()


def wait_until_none_is_left() -> list[str]:
    deadline = time.monotonic() + 30
    while (left := ours()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def test_hostile_notebooks_get_the_same_verdicts_as_without_containers(
    course: Path, named: str
) -> None:
    for name in TRIED:
        write_case(course / f"{name}.ipynb", HOSTILE[name])
    run = in_containers(course, named, "--cell-time-limit", "3s", "--jobs", "4", "--cold")
    wrong = differences(run)
    assert {name: found["verdict"] for name, found in wrong.items()} == dict.fromkeys(
        IGNORED & set(TRIED), "timed-out"
    )
    assert len(cases_of(run)) == len(TRIED)
    assert run.status == 1
    assert ours() == run.left_behind() == []
    found = run.notebooks
    assert f"not installed in the image {named}" in found["course/other kernel.ipynb"]["reason"]
    eaten = found["course/children eat memory.ipynb"]
    # One of the three was killed by then.
    assert sum(not one["kernel"] for one in eaten["processes"]) >= 2
    for name in ("eats memory", "children eat memory", "fills shared memory"):
        assert 0.9 * LIMIT < found[f"course/{name}.ipynb"]["peak_memory"] < 1.2 * LIMIT
    assert {one["enforced_by"][:8] for one in found.values() if one["enforced_by"]} == {"cgroup v"}
    assert (run.report["image"], run.report["image_id"][:7]) == (named, "sha256:")


def test_a_kernel_has_its_course_and_nothing_else(course: Path, named: str) -> None:
    inner = course / "1"
    inner.mkdir()
    (course / "gpuctl.toml").write_text("[validate]\n")
    (course / "data.txt").write_text("here")
    (course / ".git").mkdir()
    (course / ".git" / "config").touch()
    ids = (USER, USER) if os.getuid() == 0 else (os.getuid(), os.getgid())
    write_notebook(inner / "n.ipynb", [CONFINED % (*ids, LIMIT), f"held = bytearray({LIMIT // 2})"])
    run = in_containers(course, named, "--settings", "course/gpuctl.toml")
    assert run.notebooks["course/1/n.ipynb"]["verdict"] == "passed", run.notebooks[
        "course/1/n.ipynb"
    ]["error"]
    assert (inner / "written").stat().st_uid == ids[0]
    grown = run.notebooks["course/1/n.ipynb"]["cells"]
    assert grown[1]["peak_memory"] - grown[0]["peak_memory"] == pytest.approx(LIMIT // 2, rel=0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_validator_that_is_stopped_or_killed_leaves_no_container(
    course: Path, named: str, number: int
) -> None:
    write_notebook(course / "n.ipynb", [SLEEPER])
    give(course)
    arguments = ("course", "--json", "--engine", "docker", "--image", named)
    run = Run(course.parent, (*arguments, "--memory-limit", f"{LIMIT}B"))
    run.start()
    wait_for(course / "ready")
    (container,) = ours()
    if number == signal.SIGINT:
        as_asked_for(json.loads(docker("inspect", container))[0], str(course))
    os.kill(run.process.pid, number)
    run.finish()
    assert wait_until_none_is_left() == run.wait_until_nothing_is_left() == []
    if number == signal.SIGINT:
        assert run.status == 130
        assert run.notebooks["course/n.ipynb"]["reason"] == "interrupted in cell 1"


def as_asked_for(container: Any, course: str) -> None:
    """What the engine says that it holds the container to."""
    held, config = container["HostConfig"], container["Config"]
    assert (held["Memory"], held["MemorySwap"], held["ShmSize"]) == (LIMIT, LIMIT, LIMIT)
    assert held["PidsLimit"] >= 512
    assert held["NanoCpus"] > 0
    assert (held["CapDrop"], held["CapAdd"]) == (["ALL"], None)
    assert held["SecurityOpt"] == ["no-new-privileges"]
    assert (held["Privileged"], held["ReadonlyRootfs"], held["Init"]) == (False, True, True)
    assert (held["NetworkMode"], held["DeviceRequests"]) == ("none", None)
    assert not config["User"].startswith("0:") or os.getuid() != 0
    binds = {bind["Source"] for bind in container["Mounts"]}
    assert course in binds
    assert [path for path in binds - {course} if not path.endswith("/link")] == []
    labels = config["Labels"]
    assert labels["gpuctl.dev/workload"] == "validation"
    assert labels["gpuctl.dev/owner"]
    assert labels["gpuctl.dev/instance"]


def test_a_folder_that_the_engine_doesn_t_see_is_not_made_for_it(named: str) -> None:
    mine = DockerEngine()
    spec = ContainerSpec("x", named, ("x",), {}, "1:1", "/", mounts=(Mount("/nowhere/at/all"),))
    with pytest.raises(Unavailable, match="doesn't see the folder /nowhere/at/all"):
        mine.create(spec)
    mine.close()
    assert not Path("/nowhere").exists()


def test_orphans_go_at_the_next_start_and_others_stay(course: Path, named: str) -> None:
    namespace = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    label = ("--label", "gpuctl.dev/workload=validation", "--label")
    dead, alive = (f"gpuctl.dev/instance=gpuctl-{one}-" for one in (f"{namespace}-1-1", "0-1-1"))
    orphan = docker("create", *label, dead, named, "x")
    elsewhere = docker("create", *label, alive, named, "x")
    stranger = docker("create", named, "x")
    try:
        write_notebook(course / "n.ipynb", ["x = 1"])
        assert in_containers(course, named).status == 0
        left = docker("ps", "--all", "--quiet", "--no-trunc").split()
        assert orphan not in left
        assert {elsewhere, stranger} <= set(left)
    finally:
        docker("rm", "--force", elsewhere, stranger)


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        ((), 2, "needs an image"),
        (("--image", "gpuctl-test:none"), 2, "`docker pull gpuctl-test:none`, or give --pull"),
        (("--image", "Not A Name"), 2, "'Not A Name' is no name of an image"),
        (("--image", "x", "--preload", "json"), 2, "--preload is for forked kernels"),
        (("--image", "x", "--gpu-memory-limit", "1GiB"), 2, "its containers get no GPU"),
    ],
)
def test_what_can_t_be_run_is_told_before_anything_runs(
    course: Path, arguments: tuple[str, ...], status: int, told: str
) -> None:
    write_notebook(course / "n.ipynb", ["x = 1"])
    run = validate(course, "n.ipynb", "--engine", "docker", *arguments)
    assert (run.status, run.stdout) == (status, "")
    assert told in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("address", "status", "told"),
    [
        ("tcp://127.0.0.1:1", 2, "is reached by the network"),
        ("unix://{folder}/none", 3, "there is no socket"),
        ("unix://{folder}/file", 3, "is not a socket"),
        ("unix://{folder}/deaf", 3, "nobody answers at"),
        ("unix://{folder}/old", 3, "is too old: 1.12.6 with interface 1.24"),
    ],
)
def test_an_engine_that_can_t_be_asked_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, status: int, told: str
) -> None:
    (tmp_path / "file").touch()
    with socket.socket(socket.AF_UNIX) as deaf, socket.socket(socket.AF_UNIX) as old:
        deaf.bind(f"{tmp_path}/deaf")
        old.bind(f"{tmp_path}/old")
        old.listen()
        threading.Thread(target=answer_as_of_old, args=(old,), daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", address.format(folder=tmp_path))
        write_notebook(tmp_path / "n.ipynb", ["x = 1"])
        run = validate(tmp_path, "n.ipynb", "--engine", "docker", "--image", "x")
        old.shutdown(socket.SHUT_RDWR)
    assert (run.status, run.stdout) == (status, "")
    assert told in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1


def answer_as_of_old(listening: socket.socket) -> None:
    """As an engine of 2017 does, to whatever is asked."""
    body = json.dumps({"Version": "1.12.6", "ApiVersion": "1.24"}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection:
            connection.recv(65536)
            connection.sendall(head.encode() + b"Connection: close\r\n\r\n" + body)


def test_an_image_without_a_kernel_is_told(course: Path, named: str) -> None:
    empty = docker("import", "-", "gpuctl-test:empty", input=b"\0" * 10240)
    assert empty
    try:
        write_notebook(course / "n.ipynb", ["x = 1"])
        run = in_containers(course, "gpuctl-test:empty")
        assert run.status == 2
        assert "gpuctl-test:empty has no kernel" in run.stderr
        assert ours() == []
    finally:
        docker("rmi", "gpuctl-test:empty")
