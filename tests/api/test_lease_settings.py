import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from traitlets.config import Config

from jupyter_gpuctl.config import load_config
from jupyter_gpuctl.core.errors import InvalidConfig


def read(environ=None, **given):
    return load_config(Config({"GpuCtl": given}), environ or {})


class TestABrokenSettingOfLeases:
    @pytest.fixture(
        params=[
            ({"quotas": "quotas.yaml"}, "GpuCtl.quotas='quotas.yaml'", "/quotas.yaml"),
            ({"quotas": ["a"]}, "GpuCtl.quotas=['a']", "path of a YAML file"),
            ({"offer_window": 0}, "GpuCtl.offer_window=0", '"10m"'),
            ({"max_lease": "8"}, "GpuCtl.max_lease=8", '"8h"'),
            ({"max_lease": "8 hours"}, "max_lease='8 hours'", "1h30m"),
            ({"retention_days": 3}, "GpuCtl.retention_days=3 is neither 0 nor", "Set it to 365"),
            ({"database_url": "sqlite:///here.db"}, "GpuCtl.database_url", "sqlite:////whole"),
        ],
        ids=lambda case: str(case[0]),
    )
    def case(self, request):
        return request.param

    @pytest.fixture
    def gpuctl_settings(self, case):
        return case[0]

    async def test_is_told_in_one_line_and_the_server_runs(self, case, started, api, jp_fetch):
        _, named, mend = case
        config = (await api.get("health"))["config"]
        text = f"{config['message']} {config['hint']}"
        assert config["status"] == "error"
        assert named in text
        assert mend in text
        assert "\n" not in text
        assert json.loads((await jp_fetch("api", "status")).body)["kernels"] == 0


def test_without_settings_there_are_no_quotas_and_leases_last_a_day():
    settings = read()
    assert (settings.quotas, settings.database_url) == (None, "")
    assert (settings.offer_window, settings.max_lease) == (600, 86400)
    assert settings.retention_days == 365


def test_what_is_over_can_be_kept_for_ever():
    assert read(retention_days=0).retention_days == 0
    assert read({"GPUCTL_RETENTION_DAYS": "30"}).retention_days == 30


def test_quotas_are_a_path_from_the_root_or_a_mapping(tmp_path):
    path = str(tmp_path / "quotas.yaml")
    assert read(quotas=path).quotas == path
    assert read(quotas=tmp_path / "quotas.yaml").quotas == path
    assert read(quotas="~/quotas.yaml").quotas == str(Path.home() / "quotas.yaml")
    assert read(quotas={"default": {"gpus": 1}}).quotas == {"default": {"gpus": 1}}
    assert read(quotas="").quotas is None


def test_the_environment_gives_a_path_or_a_mapping_as_json():
    assert read({"GPUCTL_QUOTAS": "/etc/quotas.yaml"}).quotas == "/etc/quotas.yaml"
    mapping = read({"GPUCTL_QUOTAS": ' {"default": {"gpus": 2}}'}).quotas
    assert mapping == {"default": {"gpus": 2}}
    assert read({"GPUCTL_MAX_LEASE": "8h"}).max_lease == 8 * 3600
    assert read({"GPUCTL_OFFER_WINDOW": "5m"}).offer_window == 300
    url = "sqlite:////srv/gpuctl/gpuctl.sqlite"
    assert read({"GPUCTL_DATABASE_URL": url}).database_url == url


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"default": ', "is not JSON"),
        ('{"default": {}, "default": {}}', "'default' is written twice"),
        ("{" * 100_000, "GPUCTL_QUOTAS"),
    ],
)
def test_a_variable_with_broken_json_is_named(text, told):
    with pytest.raises(InvalidConfig, match="GPUCTL_QUOTAS") as refused:
        read({"GPUCTL_QUOTAS": text})
    assert told in refused.value.message


def test_a_password_in_a_wrong_url_is_not_told():
    for url in ("postgresql://gpuctl:secret@db/gpuctl", "sqlite:/secret"):
        with pytest.raises(InvalidConfig) as refused:
            read(database_url=url)
        assert "secret" not in str(refused.value)
        assert "GpuCtl.database_url" in str(refused.value)


@given(
    st.one_of(
        st.text(max_size=8),
        st.floats(),
        st.integers(),
        st.none(),
        st.lists(st.integers()),
        st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    )
)
def test_no_value_of_a_setting_gives_anything_but_a_setting_or_a_clear_error(value):
    for name in ("quotas", "database_url", "offer_window", "max_lease", "retention_days"):
        error = None
        try:
            read(**{name: value})
        except InvalidConfig as invalid:
            error = str(invalid)
        assert error is None or (name in error and "Traceback" not in error)
