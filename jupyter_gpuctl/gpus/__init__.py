"""Devices, samples and whose they are."""
