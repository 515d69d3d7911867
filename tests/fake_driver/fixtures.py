"""Fixtures for every test that meets a driver; ``tests/conftest.py`` names this module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .driver import FakeMachine, NoCompiler, build, load


@pytest.fixture(scope="session")
def fake_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fake ``libnvidia-ml.so.1``, built once."""
    try:
        return build(tmp_path_factory.mktemp("fake-driver"))
    except NoCompiler as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def fake_driver(fake_library: Path) -> Path:
    """The library, loaded into this process, where the real pynvml finds it."""
    import pynvml

    assert pynvml.nvmlLib is None, "pynvml has already loaded another driver library"
    load(fake_library)
    return fake_library


@pytest.fixture
def fake_machine(fake_library: Path, tmp_path: Path) -> FakeMachine:
    """A machine for programs that the test starts with ``environment()``."""
    folder = tmp_path / "fake-machine"
    folder.mkdir()
    return FakeMachine(fake_library, folder)


@pytest.fixture
def machine(
    fake_driver: Path, fake_machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeMachine]:
    """A machine for this very process. ``show`` a scenario before the driver is opened."""
    import pynvml

    for name, value in fake_machine.variables.items():
        monkeypatch.setenv(name, value)
    yield fake_machine
    # What a test has left open would hold the next one to this scenario.
    while True:
        try:
            pynvml.nvmlShutdown()
        except pynvml.NVMLError:
            break
