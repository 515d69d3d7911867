"""Hundreds of random histories; ``make soak`` runs thousands."""

from hypothesis import settings

from tests.unit.lease_machine import Histories

TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=400, stateful_step_count=50, deadline=None)
