"""What kernels may see, and what health says, as leases are enforced more or less."""

from __future__ import annotations

import pytest

from tests.api.desk import SEES, UNSET

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def gpuctl_settings(lease_settings):
    return lease_settings


class TestWithEnforcementOff:
    @pytest.fixture
    def gpuctl_settings(self, gpuctl_settings):
        return gpuctl_settings | {"enforcement": "off"}

    async def test_kernels_are_left_as_they_are(self, desk):
        kernel_id = await desk.start()
        lease = await desk.lease()
        kernel = await desk.attach(kernel_id, lease)
        assert (kernel["attachment"], kernel["applied"]) == ("attached", "untouched")
        assert "enforcement is off" in kernel["message"]
        assert await desk.sees(kernel_id) == UNSET
        health = await desk.api.get("health")
        assert health["guard"]["status"] == "off"
        assert lease["strength"] == "off"


class TestWhereEverybodyNeedsALease:
    @pytest.fixture
    def gpuctl_settings(self, gpuctl_settings):
        return gpuctl_settings | {"quotas": {"without_lease": "none"}}

    async def test_a_kernel_sees_no_gpu_before_a_lease_and_after_it(self, desk, bash_spec):
        shown = {
            await desk.start(): SEES,
            await desk.start("bash"): 'echo "$CUDA_VISIBLE_DEVICES"',
        }
        for kernel_id, sees in shown.items():
            assert await desk.run(kernel_id, sees) == ""
            lease = await desk.lease(duration="3s")
            await desk.attach(kernel_id, lease)
            assert await desk.run(kernel_id, sees) == lease["devices"][0]
            await desk.kernel_when(kernel_id, attachment="none", applied="live")
            assert await desk.run(kernel_id, sees) == ""
            kernel = await desk.kernel(kernel_id)
            assert kernel["message"] == "No lease is attached to it: it sees no GPU."


async def test_health_says_what_guards_and_what_limits(desk):
    health = await desk.api.get("health")
    assert health["guard"]["status"] == "ok"
    assert "only reports" in health["guard"]["message"]
    assert health["guard"]["detail"] == {"mode": "dry-run", "strength": "advisory", "findings": 0}
    assert health["limits"]["status"] in ("ok", "off")


class TestAskedForIsolation:
    @pytest.fixture
    def gpuctl_settings(self, gpuctl_settings):
        return gpuctl_settings | {"enforcement": "isolated", "guard_mode": "enforce"}

    async def test_it_is_said_that_kernels_are_guarded_only(self, desk):
        check = (await desk.api.get("health"))["guard"]
        assert check["status"] == "warning"
        assert "guarded, not isolated" in check["message"]
        assert (await desk.api.get("kernels"))["strength"] == "guarded"
        lease = await desk.lease()
        assert lease["strength"] == "guarded"
