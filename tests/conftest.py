"""What every test can use."""

import signal
from pathlib import Path

import pytest
from hypothesis import settings

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


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several workers share the tests, a file is one's, and what runs a browser too: two
    browsers that draw in software leave nothing of two cores. Those come first, for they take
    longest.
    """
    for item in items:
        browser = item.path.is_relative_to(TESTS / "browser")
        group = "browser" if browser else item.path.relative_to(TESTS).as_posix()
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: not item.path.is_relative_to(TESTS / "browser"))
