"""What every test can use."""

import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

TESTS = Path(__file__).parent
pytest_plugins = ["tests.fake_driver.fixtures", "pytest_jupyter.jupyter_server"]

# A shell's background job ignores these, and so would every program that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGQUIT) is signal.SIG_IGN:
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)

# Nothing here asserts a duration, and machines are busy: no deadline for one example.
settings.register_profile("default", deadline=None)
settings.register_profile("soak", max_examples=3000, deadline=None)
settings.load_profile("default")


class Shares(LoadScopeScheduling):
    """How several workers share the tests: a file is one's, and so is all that runs a browser, for
    two browsers that draw in software leave nothing of two cores.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "browser" if "tests/browser/" in file else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Shares:
    """With ``-n``."""
    return Shares(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first."""
    items.sort(key=lambda item: not item.path.is_relative_to(TESTS / "browser"))
