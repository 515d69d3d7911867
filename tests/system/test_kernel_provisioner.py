"""How kernels are started by the provisioner, whatever the broker does."""

from __future__ import annotations

import asyncio
import json
import logging
import sys

import pytest
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_server.gateway.managers import GatewayMappingKernelManager
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from traitlets.config import Config

from jupyter_gpuctl.kernels import provisioner
from jupyter_gpuctl.kernels.ports import Launch
from jupyter_gpuctl.kernels.provisioner import NAME, GpuCtlProvisioner, make_default
from tests.system.kernel_server import Kernels

SEES = "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES'))"
SEES_IN_BASH = 'echo "${CUDA_VISIBLE_DEVICES-None}"'


class Answers:
    """A broker that gives what it was told to give, and remembers what it was told."""

    def __init__(self, *answers: Launch) -> None:
        self._answers = list(answers)
        self.told: list[tuple] = []

    async def before_launch(self, kernel_id, env, *, command=()):
        assert command
        return self._answers.pop(0) if self._answers else Launch()

    def launched(self, kernel_id, pid, *, manager=None):
        assert manager.kernel_id == kernel_id
        self.told.append(("launched", pid))

    def ended(self, kernel_id, exit_code, *, asked):
        self.told.append(("ended", exit_code, asked))

    async def gone(self, kernel_id):
        self.told.append(("gone",))


class Hangs(Answers):
    async def before_launch(self, kernel_id, env, *, command=()):
        await asyncio.Event().wait()

    async def gone(self, kernel_id):
        await asyncio.Event().wait()


class Raises(Answers):
    async def before_launch(self, kernel_id, env, *, command=()):
        raise RuntimeError("the broker is broken")

    def launched(self, kernel_id, pid, *, manager=None):
        raise RuntimeError("the broker is broken")

    def ended(self, kernel_id, exit_code, *, asked):
        raise RuntimeError("the broker is broken")

    async def gone(self, kernel_id):
        raise RuntimeError("the broker is broken")


@pytest.fixture(autouse=True)
def ours_by_default(monkeypatch, tmp_path):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setattr(KernelProvisionerFactory.instance(), "default_provisioner_name", NAME)


@pytest.fixture
def kernelspec(tmp_path):
    """Installs one."""

    def install(name: str, language: str, *argv: str, **metadata) -> str:
        folder = tmp_path / "jupyter" / "kernels" / name
        folder.mkdir(parents=True)
        spec = {"argv": argv, "display_name": name, "language": language, "metadata": metadata}
        (folder / "kernel.json").write_text(json.dumps(spec))
        return name

    return install


@pytest.fixture
def kernels(jp_asyncio_loop):
    made = []

    def make(broker=None) -> Kernels:
        made.append(Kernels(broker))
        return made[-1]

    yield make
    for each in made:
        jp_asyncio_loop.run_until_complete(each.close())


async def test_a_python_kernel_is_told_its_gpus_at_each_start(kernels):
    gpu = Launch({"CUDA_VISIBLE_DEVICES": "GPU-a"})
    here = kernels(Answers(gpu, Launch({"CUDA_VISIBLE_DEVICES": "GPU-b"}), Launch()))
    kernel = await here.manager.start_kernel()
    assert await here.prints(await here.client(kernel), SEES) == "GPU-a"
    await here.restart(kernel)
    assert await here.prints(await here.client(kernel), SEES) == "GPU-b"
    await here.restart(kernel)
    assert await here.prints(await here.client(kernel), SEES) == "None"


async def test_a_kernel_in_another_language_is_told_too(kernels, kernelspec):
    argv = [sys.executable, "-m", "bash_kernel", "-f", "{connection_file}"]
    name = kernelspec("second", "bash", *argv)
    here = kernels(Answers(Launch({"CUDA_VISIBLE_DEVICES": "GPU-a"})))
    kernel = await here.manager.start_kernel(kernel_name=name)
    assert await here.prints(await here.client(kernel), SEES_IN_BASH) == "GPU-a"
    await here.restart(kernel)
    assert await here.prints(await here.client(kernel), SEES_IN_BASH) == "None"


async def test_each_start_is_told_and_ends_once(kernels):
    broker = Answers()
    here = kernels(broker)
    kernel = await here.manager.start_kernel()
    await here.client(kernel)
    await here.restart(kernel)
    client = await here.client(kernel)
    client.execute("import os; os._exit(3)")
    async with asyncio.timeout(60):
        while sum(told[0] == "launched" for told in broker.told) < 3:
            await asyncio.sleep(0.05)  # Until Jupyter has started it again by itself.
    await here.client(kernel)
    await here.manager.shutdown_kernel(kernel)
    kinds = [told[0] for told in broker.told]
    assert kinds == ["launched", "ended"] * 3 + ["gone"]
    ends = [told[1:] for told in broker.told if told[0] == "ended"]
    assert [asked for _, asked in ends] == [True, False, True]
    assert ends[1][0] == 3


@pytest.mark.parametrize("broker", [None, Hangs(), Raises()], ids=["none", "hangs", "raises"])
async def test_without_a_working_broker_a_kernel_starts_as_it_would_without_us(
    kernels, broker, monkeypatch, caplog
):
    monkeypatch.setattr(provisioner, "PATIENCE", 0.2)
    here = kernels(broker)
    with caplog.at_level(logging.WARNING):
        kernel = await here.manager.start_kernel()
    said = [record for record in caplog.records if "gpuctl" in record.getMessage()]
    starts = [record for record in said if "starts as it would" in record.getMessage()]
    assert len(starts) == (0 if broker is None else 1)
    assert not any(record.exc_info for record in said)
    assert await here.prints(await here.client(kernel), SEES) == "None"
    await here.restart(kernel)
    await here.client(kernel)
    await here.manager.shutdown_kernel(kernel)


async def test_a_kernel_enters_its_control_group_before_it_is_one(kernels, tmp_path):
    first, second = tmp_path / "a group", tmp_path / "another"
    here = kernels(Answers(Launch({}, (str(first), str(second)), ("env", "PREFIXED=yes"))))
    kernel = await here.manager.start_kernel()
    client = await here.client(kernel)
    assert (first.read_text(), second.read_text()) == ("0\n", "0\n")
    code = "import os; print(os.getpid(), os.environ['PREFIXED'])"
    pid = here.manager.get_kernel(kernel).provisioner.pid
    assert await here.prints(client, code) == f"{pid} yes"


async def test_a_group_that_has_gone_keeps_no_kernel_from_starting(kernels, tmp_path):
    here = kernels(Answers(Launch({}, (str(tmp_path / "gone" / "cgroup.procs"),))))
    assert (
        await here.prints(await here.client(await here.manager.start_kernel()), "print(1)") == "1"
    )


async def test_a_program_that_is_missing_is_named(kernels, kernelspec):
    name = kernelspec("broken", "none", "no-such-program", "{connection_file}")
    here = kernels(Answers(Launch({}, ("/dev/null",))))
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        await here.manager.start_kernel(kernel_name=name)


async def test_what_is_kept_of_a_kernel_is_what_jupyter_keeps(kernels):
    here = kernels(Answers())
    kernel = await here.manager.start_kernel()
    found = await here.manager.get_kernel(kernel).provisioner.get_provisioner_info()
    assert set(found) == {"kernel_id", "connection_info", "pid", "pgid", "ip"}


async def test_a_kernelspec_with_a_provisioner_of_its_own_keeps_it(kernels, kernelspec):
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    chosen = {"provisioner_name": "local-provisioner"}
    name = kernelspec("chosen", "python", *argv, kernel_provisioner=chosen)
    here = kernels(Answers(Launch({"CUDA_VISIBLE_DEVICES": "GPU-a"})))
    kernel = await here.manager.start_kernel(kernel_name=name)
    assert type(here.manager.get_kernel(kernel).provisioner) is LocalProvisioner
    assert await here.prints(await here.client(kernel), SEES) == "None"
    ours = await here.manager.start_kernel()
    assert type(here.manager.get_kernel(ours).provisioner) is GpuCtlProvisioner


class TestTheDefault:
    @pytest.fixture(autouse=True)
    def nobody_has_chosen(self, monkeypatch):
        monkeypatch.delenv("JUPYTER_DEFAULT_PROVISIONER_NAME", raising=False)
        KernelProvisionerFactory.clear_instance()
        yield
        KernelProvisionerFactory.clear_instance()

    def default(self) -> str:
        return KernelProvisionerFactory.instance().default_provisioner_name

    def test_it_is_ours_where_nobody_has_chosen(self):
        assert make_default(AsyncMappingKernelManager())
        assert self.default() == NAME
        assert make_default(AsyncMappingKernelManager())

    def test_a_choice_in_the_environment_is_respected(self, monkeypatch):
        monkeypatch.setenv("JUPYTER_DEFAULT_PROVISIONER_NAME", "local-provisioner")
        assert not make_default(AsyncMappingKernelManager())
        assert self.default() == "local-provisioner"

    def test_a_choice_in_the_configuration_is_respected(self):
        config = Config({"KernelProvisionerFactory": {"default_provisioner_name": "other"}})
        manager = AsyncMappingKernelManager(config=config)
        assert not make_default(manager)

    def test_what_another_extension_has_chosen_is_respected(self):
        KernelProvisionerFactory.instance().default_provisioner_name = "other"
        assert not make_default(AsyncMappingKernelManager())
        assert self.default() == "other"

    def test_kernels_on_a_gateway_are_left_alone(self):
        assert not make_default(GatewayMappingKernelManager())
        assert self.default() == "local-provisioner"
