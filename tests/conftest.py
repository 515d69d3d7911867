"""What every test can use."""

from hypothesis import settings

pytest_plugins = ["tests.fake_driver.fixtures", "pytest_jupyter.jupyter_server"]

# Nothing here asserts a duration, and machines are busy: no deadline for one example.
settings.register_profile("default", deadline=None)
settings.register_profile("soak", max_examples=3000, deadline=None)
settings.load_profile("default")
