"""What every test can use."""

pytest_plugins = ["tests.fake_driver.fixtures", "pytest_jupyter.jupyter_server"]
