"""Engines: where containers run."""
