"""What must not make a notebook wait: sockets that try again late, and warm processes in a row."""

from __future__ import annotations

import uuid

import pytest
import zmq

from jupyter_gpuctl.validation.kernel_manager import KernelManager, Seed
from jupyter_gpuctl.validation.nurseries import Nurseries
from jupyter_gpuctl.validation.warm_process import Unforkable


@pytest.mark.parametrize("forked", [True, False])
def test_who_connects_to_a_kernel_that_is_not_there_yet_tries_again_soon(forked: bool) -> None:
    manager = KernelManager(kernel_name="python3")
    manager.try_often()
    if forked:
        manager.seed = Seed(1, -1, ())
    client = manager.client()
    try:
        assert (client.context is manager.context) is forked
        for context in (manager.context, client.context):
            with context.socket(zmq.DEALER) as socket:
                assert socket.getsockopt(zmq.RECONNECT_IVL) == 10
    finally:
        manager.context.destroy()
        client.context.destroy()


def test_what_is_prepared_is_what_is_asked_for_later() -> None:
    nurseries = Nurseries(uuid.uuid4().hex)
    try:
        nurseries.prepare(("yaml",))
        asked, left_out = nurseries.kernels(("yaml",))
        assert (left_out, "yaml" in asked.loaded) == ((), True)
        assert nurseries.kernels(("yaml",))[0] is asked
    finally:
        nurseries.close()


def test_who_gives_up_while_something_is_prepared_waits_for_nothing() -> None:
    nurseries = Nurseries(uuid.uuid4().hex)
    nurseries.prepare(("yaml",))
    nurseries.give_up()
    nurseries.close()
    with pytest.raises(Unforkable):
        nurseries.kernels(("yaml",))
