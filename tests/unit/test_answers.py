import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from jupyter_gpuctl.core.encoding import encode
from jupyter_gpuctl.core.errors import InvalidInput
from jupyter_gpuctl.gpus.answers import ALL, NEWEST, Answers, slim
from jupyter_gpuctl.gpus.model import (
    Device,
    DeviceReading,
    DeviceStatus,
    Driver,
    DriverStatus,
    GpuProcess,
    KernelReading,
    Owner,
    Sample,
)
from jupyter_gpuctl.gpus.wire import GpusAnswer, Notice
from jupyter_gpuctl.host.model import CgroupLimits, DiskUse, HostReading

NOW = datetime(2027, 1, 4, 9, 30, 0, 123456, tzinfo=UTC)
DRIVER = Driver(DriverStatus.OK, "nvml", "580.65", "13.0")
DEVICE = Device("GPU-a", 0, "NVIDIA H200", 141 * 2**30)
NOTICE = Notice("home.nearly_full", "The disk is nearly full.", "Delete something.")


def optional(strategy):
    return st.none() | strategy


numbers = optional(st.floats(min_value=0, max_value=1000))
sizes = optional(st.integers(min_value=0, max_value=2**50))
texts = st.text(max_size=20)
owners = st.builds(Owner, texts, optional(texts), optional(texts), optional(texts))
processes = st.builds(
    GpuProcess,
    st.integers(1, 2**22),
    optional(texts),
    sizes,
    optional(owners),
    optional(texts),
    optional(texts),
)
readings = st.builds(
    DeviceReading,
    uuid=st.just("GPU-a"),
    status=st.sampled_from(DeviceStatus),
    problem=optional(texts),
    utilization=numbers,
    memory_used=sizes,
    temperature=numbers,
    power=numbers,
    power_limit=numbers,
    pcie_rx=sizes,
    pcie_tx=sizes,
    processes=optional(st.lists(processes, max_size=3).map(tuple)),
)
kernels = st.builds(
    KernelReading,
    texts,
    texts,
    optional(texts),
    optional(texts),
    texts,
    sizes,
    numbers,
    st.integers(0, 9),
)
hosts = st.builds(
    HostReading,
    numbers,
    st.integers(1, 256),
    sizes,
    sizes,
    optional(st.builds(CgroupLimits, st.sampled_from([1, 2]), sizes, sizes, numbers, sizes, sizes)),
    optional(st.builds(DiskUse, texts, *[st.integers(0, 2**50)] * 3)),
)
contents = st.tuples(
    st.lists(readings, max_size=2).map(tuple), st.lists(kernels, max_size=2).map(tuple), hosts
)


def publish(answers: Answers, samples: list[Sample]) -> None:
    for sample in samples:
        answers.publish(
            driver=DRIVER,
            devices=[DEVICE],
            notices=[NOTICE],
            interval=1.0,
            kept=Answers.keep(sample),
        )


def make(contents_of_samples) -> list[Sample]:
    return [
        Sample(seq, NOW + timedelta(seconds=seq), *content)
        for seq, content in enumerate(contents_of_samples, start=1)
    ]


@given(st.lists(contents, min_size=1, max_size=4), st.data())
def test_a_body_is_the_json_of_the_wire_type_whatever_the_values(given_contents, data):
    samples = make(given_contents)
    answers = Answers()
    publish(answers, samples)
    since = data.draw(st.none() | st.integers(0, len(samples)))
    detail = data.draw(st.sampled_from([NEWEST, ALL]))
    wanted = samples[-1:] if since is None else samples[since:]
    if detail == NEWEST:
        wanted = [s if s is samples[-1] else slim(s) for s in wanted]
    expected = GpusAnswer(samples[-1].seq, NOW, 1.0, DRIVER, (NOTICE,), (DEVICE,), tuple(wanted))
    for _ in range(2):  # made, and from memory
        body = answers.body(since, detail, NOW)
        assert json.loads(body) == json.loads(encode(expected))
    TypeAdapter(GpusAnswer).validate_json(body)


def test_the_encoder_agrees_with_pydantic():
    sample = make([((), (), HostReading(1.5, 2, 3, 4, None, DiskUse("/home/ü", 1, 2, 3)))])[0]
    assert json.loads(encode(sample)) == {
        **TypeAdapter(Sample).dump_python(sample, mode="json"),
        "time": "2027-01-04T09:30:01.123Z",
    }


def test_before_the_first_sample_there_is_an_answer():
    answers = Answers()
    answers.publish(driver=DRIVER, devices=[], notices=[], interval=1.0, kept=None)
    assert json.loads(answers.body(0, NEWEST, NOW))["samples"] == []
    assert json.loads(answers.body(None, NEWEST, NOW))["seq"] == 0


def test_since_in_the_future_names_both_numbers_and_the_mend():
    answers = Answers()
    publish(answers, make([((), (), HostReading(None, 1, None, None, None, None))]))
    with pytest.raises(
        InvalidInput, match=r"since=7 lies in the future: the newest sample is 1\."
    ) as refused:
        answers.body(7, NEWEST, NOW)
    assert refused.value.code == "gpus.since_in_future"
    assert "since=0" in refused.value.hint


def test_an_unknown_detail_is_refused():
    answers = Answers()
    publish(answers, [])
    answers.publish(driver=DRIVER, devices=[], notices=[], interval=1.0, kept=None)
    with pytest.raises(InvalidInput, match="neither 'newest' nor 'all'"):
        answers.body(None, "everything", NOW)


def test_an_hour_is_kept_and_no_more():
    answers = Answers()
    host = HostReading(None, 1, None, None, None, None)
    for second in range(3000):
        answers.publish(
            driver=DRIVER,
            devices=[],
            notices=[],
            interval=1.0,
            kept=Answers.keep(Sample(second + 1, NOW + timedelta(seconds=second), (), (), host)),
        )
        answers.body(None, NEWEST, NOW)
    assert len(json.loads(answers.body(0, ALL, NOW))["samples"]) == 840
