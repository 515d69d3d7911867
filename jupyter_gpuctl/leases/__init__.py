"""Quotas, leases and the queue: who may hold which devices, until when, and why not."""
