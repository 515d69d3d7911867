"""What the document says of the lease routes is what they take and give."""

import dataclasses
import types
import typing
from datetime import UTC

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from jupyter_gpuctl.core.encoding import encode
from jupyter_gpuctl.core.errors import InvalidInput
from jupyter_gpuctl.leases import requests
from jupyter_gpuctl.leases.wire import (
    AuditsAnswer,
    LeaseAnswer,
    LeasePatchBody,
    LeaseRequestBody,
    LeasesAnswer,
    PreviewAnswer,
    QuotaAnswer,
)

numbers = st.floats(-1e9, 1e9)
times = st.datetimes(timezones=st.just(UTC)).map(
    lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000)
)
OPTIONAL = ("gpu_memory", "note", "interactive", "dry_run", "group")
ANSWERS = [LeaseAnswer, LeasesAnswer, QuotaAnswer, PreviewAnswer, AuditsAnswer]
json_values = st.none() | st.booleans() | st.integers(-3, 10**12) | st.floats() | st.text()


def values(kind):
    """Any value of a wire type."""
    hints = {
        name: _strategy(hint)
        for name, hint in typing.get_type_hints(kind).items()
        if name in kind.__dataclass_fields__
    }
    return st.builds(kind, **hints)


def _strategy(hint):
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return st.one_of(*map(_strategy, arguments))
    if origin is tuple:
        return st.lists(_strategy(arguments[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
    if hint.__name__ == "datetime":
        return times
    if hint is float:
        return numbers
    return values(hint) if dataclasses.is_dataclass(hint) else st.from_type(hint)


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_is_what_its_schema_says(kind):
    adapter = TypeAdapter(kind)

    @settings(max_examples=20)
    @given(values(kind))
    def check(value):
        assert adapter.validate_json(encode(value), strict=True) == value

    check()


def test_the_bodies_have_the_fields_that_are_read():
    names = {field.name for field in dataclasses.fields(LeaseRequestBody)}
    assert names == set(requests._REQUEST_FIELDS)
    names = {field.name for field in dataclasses.fields(LeasePatchBody)}
    assert names == set(requests._PATCH_FIELDS)


@given(
    st.fixed_dictionaries(
        {"gpus": st.sampled_from([1, 2, 0.5]) | json_values, "duration": json_values},
        optional=dict.fromkeys(
            ("gpu_memory", "note", "interactive", "dry_run", "group"), json_values
        ),
    )
)
def test_what_is_read_is_what_the_schema_of_the_body_allows(body):
    """Not the other way round: the schema knows types, the reader meanings too."""
    try:
        requests.parse_request(body)
    except InvalidInput:
        return
    given = {name: value for name, value in body.items() if value is not None}
    try:
        TypeAdapter(LeaseRequestBody).validate_python(given)
    except ValidationError as error:
        pytest.fail(str(error))
