"""What every test can use."""

import signal

from hypothesis import settings

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
