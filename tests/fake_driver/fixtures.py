"""Fixtures for every test that meets a driver; ``tests/conftest.py`` names this module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .driver import FakeMachine, NoCompiler, build, build_cuda, load
from .scenario import Scenario


@pytest.fixture(scope="session")
def fake_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fake ``libnvidia-ml.so.1``, built once."""
    try:
        return build(tmp_path_factory.mktemp("fake-driver"))
    except NoCompiler as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def cuda_stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ``libcuda.so.1`` to load with ctypes, built once."""
    try:
        return build_cuda(tmp_path_factory.mktemp("stand-in"))
    except NoCompiler as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def fake_driver(fake_library: Path) -> Path:
    """The library, loaded into this process, where the real pynvml finds it."""
    import pynvml

    library = load(fake_library)
    if pynvml.nvmlLib is not None:
        # A test before this one met the machine's own driver, which pynvml holds on to.
        pynvml.nvmlLib = library
        pynvml._nvmlGetFunctionPointer_cache.clear()
    return fake_library


@pytest.fixture
def fake_machine(fake_library: Path, tmp_path: Path) -> Iterator[FakeMachine]:
    """A machine for programs that the test starts with ``environment()``."""
    folder = tmp_path / "fake-machine"
    folder.mkdir()
    machine = FakeMachine(fake_library, folder)
    yield machine
    # Calls that still hang come back, whatever the test has forgotten.
    machine.show(Scenario())


@pytest.fixture
def machine(
    fake_driver: Path, fake_machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeMachine]:
    """A machine for this very process. ``show`` a scenario before the driver is opened."""
    import pynvml

    for name, value in fake_machine.variables.items():
        monkeypatch.setenv(name, value)
    yield fake_machine
    fake_machine.show(Scenario())
    # What a test has left open would hold the next one to this scenario.
    while True:
        try:
            pynvml.nvmlShutdown()
        except pynvml.NVMLError:
            break
