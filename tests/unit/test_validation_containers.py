"""What a kernel in a container is started as, and what its end is told as."""

from __future__ import annotations

import signal

import pytest

from jupyter_gpuctl.core.errors import InvalidInput
from jupyter_gpuctl.engines.model import Image
from jupyter_gpuctl.validation.containers.containers import _data_folders
from jupyter_gpuctl.validation.containers.model import (
    Container,
    command_of,
    signal_or_status,
    specification,
)
from jupyter_gpuctl.validation.events import Job, from_line, to_line
from jupyter_gpuctl.validation.model import Limits, Tier

IR = {"argv": ["R", "-e", "IRkernel::main()", "--args", "{connection_file}"], "folder": "/k/ir"}
PYTHON = {
    "argv": ["python", "-f", "{connection_file}", "{resource_dir}/x", "{odd}"],
    "folder": "/k",
}
CONTAINER = Container(
    engine="unix:///run/docker.sock",
    image="sha256:00",
    reference="course:1",
    name="gpuctl-1",
    labels={"a": "b"},
    user="1000:1000",
    host_users=False,
    course="/course",
    network="none",
    cpus=2.0,
    shm=1,
    cgroup_version=2,
    kernels={"ir": IR, "python3": PYTHON},
)


def test_the_python_of_an_image_is_not_replaced_by_ours() -> None:
    command = command_of(PYTHON, "/link/{odd}.json")
    assert command == ["python", "-f", "/link/{odd}.json", "/k/x", "{odd}"]


def test_a_kernel_that_the_image_lacks_is_told_with_those_that_it_has() -> None:
    assert specification(CONTAINER, "python") is PYTHON
    with pytest.raises(InvalidInput, match=r"'julia' is not installed in the image course:1") as it:
        specification(CONTAINER, "julia")
    assert it.value.hint.endswith("Installed there: ir, python3.")


@pytest.mark.parametrize(
    ("told", "meant"),
    [(0, 0), (3, 3), (127, 127), (139, -signal.SIGSEGV), (137, -signal.SIGKILL), (255, 255)],
)
def test_an_exit_code_above_128_is_a_signal(told: int, meant: int) -> None:
    assert signal_or_status(told) == meant


def test_kernels_are_looked_for_where_the_image_has_its_programs() -> None:
    env = {"PATH": "/opt/venv/bin:/usr/bin:/sbin", "HOME": "/home/u", "JUPYTER_PATH": "/j::/k"}
    assert _data_folders(Image("sha256:00", "x", env))[:5] == [
        "/j",
        "/k",
        "/opt/venv/share/jupyter",
        "/usr/share/jupyter",
        "/home/u/.local/share/jupyter",
    ]


def test_a_job_for_a_container_survives_its_line() -> None:
    job = Job("/course/n.ipynb", Limits(memory=1), None, Tier.CGROUP_V2, "g", "/s")
    for container in (None, CONTAINER):
        sent = Job(job.path, job.limits, None, job.tier, "g", "/s", container=container)
        assert from_line(to_line(sent)) == sent
