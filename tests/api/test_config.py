import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from traitlets.config import Config

from jupyter_gpuctl.config import load_config
from jupyter_gpuctl.core.errors import InvalidConfig


class TestABrokenSetting:
    @pytest.fixture(
        params=[
            ({"sample_intervall": 2}, "GpuCtl.sample_intervall", "GpuCtl.sample_interval"),
            ({"sample_interval": -1}, "GpuCtl.sample_interval=-1", "Set it to 1"),
            ({"sample_interval": "soon"}, "sample_interval='soon'", "10m"),
            ({"simulate_gpus": "many"}, "simulate_gpus", "many"),
            ({"simulate_gpus": 1000}, "GpuCtl.simulate_gpus=1000", "-1"),
        ],
        ids=lambda case: str(case[0]),
    )
    def case(self, request):
        return request.param

    @pytest.fixture
    def gpuctl_settings(self, case):
        return case[0]

    async def test_is_told_in_one_line_and_the_server_runs(
        self, case, started, api, jp_fetch, caplog
    ):
        _, named, mend = case
        health = await api.get("health")
        config = health["config"]
        assert (health["status"], config["status"]) == ("error", "error")
        text = f"{config['message']} {config['hint']}"
        assert named in text
        assert mend in text
        assert "\n" not in text
        for method, path in (
            ("GET", "gpus"),
            ("GET", "leases"),
            ("POST", "leases"),
            ("PATCH", "leases/some-id"),
            ("DELETE", "leases/some-id"),
        ):
            status, body = await api.refused_send(method, path)
            assert (status, body["code"]) == (503, "config.invalid"), (method, path)
            assert body["message"] == config["message"]
        assert json.loads((await jp_fetch("api", "status")).body)["kernels"] == 0


def test_the_command_line_and_files_win_over_the_environment():
    environ = {"GPUCTL_SIMULATE_GPUS": "3", "GPUCTL_SAMPLE_INTERVAL": "500ms", "GPUCTL_OTHER": "x"}
    settings = load_config(Config({"GpuCtl": {"simulate_gpus": 1}}), environ)
    assert (settings.simulate_gpus, settings.sample_interval) == (1, 0.5)


def test_a_broken_variable_is_named():
    with pytest.raises(InvalidConfig, match="GPUCTL_SIMULATE_GPUS='two'"):
        load_config(Config(), {"GPUCTL_SIMULATE_GPUS": "two"})


@given(
    st.one_of(st.text(max_size=8), st.floats(), st.integers(), st.none(), st.lists(st.integers()))
)
def test_no_value_of_a_setting_gives_anything_but_a_setting_or_a_clear_error(value):
    for name in ("sample_interval", "simulate_gpus", "pcie_throughput"):
        error = None
        try:
            load_config(Config({"GpuCtl": {name: value}}), {})
        except InvalidConfig as invalid:
            error = str(invalid)
        assert error is None or (name in error and "Traceback" not in error)
