"""A small ``libnvidia-ml.so.1`` for tests and benchmarks, loaded by the real pynvml.

Devices, processes and failures come from a :class:`~.scenario.Scenario`, which may be changed
while programs run; each call is counted, with its thread, in a :class:`~.log.CallLog`.

In a test::

    def test_a_lost_gpu(machine):  # or fake_machine, for programs that the test starts
        machine.show(h200s(8))
        ...
        machine.show(h200s(8).with_gpu(3, lost=True))
        assert loop_thread not in machine.log.threads()
"""
