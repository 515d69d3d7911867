"""Thousands of long random histories of leases. Run by ``make soak``; not by ``make test``."""

import pytest
from hypothesis import HealthCheck, settings

from tests.unit.lease_machine import Histories

TestHistories = Histories.TestCase
TestHistories.pytestmark = [pytest.mark.timeout(4 * 3600)]
TestHistories.settings = settings(
    max_examples=5000,
    stateful_step_count=80,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
