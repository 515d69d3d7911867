"""A small ``libnvidia-ml.so.1`` for tests and benchmarks, loaded by the real pynvml.

Devices, processes and failures come from a :class:`~.scenario.Scenario`, which may be changed
while programs run; each call is counted, with its thread, in a :class:`~.log.CallLog`.
"""
