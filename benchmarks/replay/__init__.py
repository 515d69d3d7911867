"""Replays a real cluster's trace through the lease rules, and through what others do.

``python -m benchmarks --only replay --trace FOLDER``. What is compared and how is written in
``docs/replay.md``, which a full run also fills with its tables and its picture.
"""
