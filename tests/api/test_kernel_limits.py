"""A kernel that takes too much, as the users of a real server meet it."""

from __future__ import annotations

import json

import pytest

MIB = 1024**2


@pytest.fixture
def gpuctl_settings(lease_settings):
    return lease_settings | {"default_limits": {"memory": "256MiB", "pids": 200}}


async def test_out_of_memory_is_told_to_whoever_listens_and_asks(
    started, api, jp_fetch, kernel_events, jp_root_dir
):
    body = {"path": "train.ipynb", "name": "", "type": "notebook", "kernel": {"name": "python3"}}
    made = await jp_fetch("api", "sessions", method="POST", body=json.dumps(body))
    kernel_id = json.loads(made.body)["kernel"]["id"]
    manager = started.kernel_manager
    client = manager.get_kernel(kernel_id).client()
    client.start_channels()
    try:
        await client.wait_for_ready(60)
        await client.execute("first = 1", reply=True, timeout=60)
        (kernel,) = (await api.get("kernels"))["items"]
        assert kernel["limits"]["memory"] == 256 * MIB
        assert kernel["limits"]["pids"] == 200
        tier = kernel["limits"]["enforced_by"]
        assert tier in ("cgroup v1", "cgroup v2", "systemd", "watcher")
        limits = (await api.get("health"))["limits"]
        assert limits["status"] == "ok"
        assert limits["detail"]["enforced_by"] == tier

        client.execute("data = []\nwhile True: data.append(b'x' * (16 << 20))")
        died = await kernel_events.wait_for("kernel.died", kernel_id=kernel_id)
        assert died["message"].startswith("train.ipynb ran out of memory: limit 256 MiB, peak ")
        assert died["message"].endswith(", cell [2].")
        (kernel,) = (await api.get("kernels"))["items"]
        assert kernel["death"]["message"] == died["message"]
        assert kernel["death"]["reason"] == "out_of_memory"
        assert kernel["death"]["execution_count"] == 2
    finally:
        client.stop_channels()
        await manager.shutdown_all(now=True)
