"""What tests of the authority share."""

from __future__ import annotations

import pytest

from jupyter_gpuctl.store.check import problems
from tests.unit.house import House


@pytest.fixture
def house(tmp_path):
    """Two GPUs, no quotas; at the end the database must be whole."""
    house = House(tmp_path / "gpuctl.sqlite")
    yield house
    house.close()
    if house.file.exists():
        assert problems(house.file) == []


@pytest.fixture
def authority(house):
    """One server in it."""
    return house.authority()
