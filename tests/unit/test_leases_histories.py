"""Hundreds of random histories; ``make soak`` runs thousands.

The same ones each time, so that what they say is about the change at hand; the soak draws others.
"""

from hypothesis import settings

from tests.unit.lease_machine import Histories

TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=400, stateful_step_count=50, deadline=None, derandomize=True
)
