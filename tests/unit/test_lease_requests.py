"""Whatever is sent becomes a request, or one line that says what is wrong with it."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jupyter_gpuctl.api.bodies import MAX_BODY, parse_object
from jupyter_gpuctl.core.errors import InvalidInput
from jupyter_gpuctl.leases.model import Request
from jupyter_gpuctl.leases.requests import (
    MAX_KEY,
    Wish,
    parse_key,
    parse_limit,
    parse_patch,
    parse_reason,
    parse_request,
    parse_status,
)

GOOD = {"gpus": 1, "duration": "2h"}


def refusal(call, *arguments) -> InvalidInput:
    with pytest.raises(InvalidInput) as refused:
        call(*arguments)
    check(refused.value)
    return refused.value


def check(error: InvalidInput) -> None:
    """It is one line with a mend, and the values as data."""
    assert error.hint
    assert len(str(error).splitlines()) == 1
    assert len(str(error)) < 400
    json.dumps(error.detail, allow_nan=False)


def test_a_whole_request_is_read():
    request, dry_run = parse_request(
        {
            "gpus": 2,
            "duration": "1h30m",
            "gpu_model": "h100|a100",
            "gpu_memory": "40GiB",
            "kernel_id": "k1",
            "note": " fine-tuning ",
            "group": "vision",
            "interactive": False,
            "dry_run": True,
        }
    )
    assert dry_run
    assert request == Request(
        milli=2000,
        duration=5400,
        memory=40 * 2**30,
        model="h100|a100",
        group="vision",
        interactive=False,
        kernel_id="k1",
        note="fine-tuning",
    )


@pytest.mark.parametrize(
    ("gpus", "milli"), [(1, 1000), (1.0, 1000), (8, 8000), (0.25, 250), (0.001, 1), (0.333, 333)]
)
def test_amounts_are_counted_in_thousandths(gpus, milli):
    request, _ = parse_request(GOOD | {"gpus": gpus, "gpu_memory": 2**30})
    assert request.milli == milli


@pytest.mark.parametrize(
    ("duration", "seconds"), [(60, 60), (60.5, 61), ("90m", 5400), ("3600", 3600), ("7d", 604800)]
)
def test_durations_are_read_as_people_write_them(duration, seconds):
    assert parse_request(GOOD | {"duration": duration})[0].duration == seconds


def test_null_is_the_same_as_left_out():
    nulls = dict.fromkeys(
        ["gpu_model", "gpu_memory", "kernel_id", "note", "group", "interactive", "dry_run"]
    )
    assert parse_request(GOOD | nulls) == parse_request(GOOD)


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"gpus": 0}, "gpus", "gpus=0 is not above 0"),
        ({"gpus": -1}, "gpus", "gpus=-1 is not above 0"),
        ({"gpus": 10**9}, "gpus", "is more than"),
        ({"gpus": 10**5000}, "gpus", "is more than"),
        ({"gpus": float("nan")}, "gpus", "is not above 0"),
        ({"gpus": float("inf")}, "gpus", "is more than"),
        ({"gpus": True}, "gpus", "gpus=True is not a number"),
        ({"gpus": "two"}, "gpus", "gpus='two' is not a number"),
        ({"gpus": "2"}, "gpus", "gpus='2' is not a number"),
        ({"gpus": [1]}, "gpus", "is not a number"),
        ({"gpus": None}, "gpus", "gpus is missing"),
        ({"gpus": 1.5}, "gpus", "neither a whole number nor below 1"),
        ({"gpus": 0.1234, "gpu_memory": "1GiB"}, "gpus", "more than three decimals"),
        ({"gpus": 1e-9, "gpu_memory": "1GiB"}, "gpus", "more than three decimals"),
        ({"gpus": 0.9999, "gpu_memory": "1GiB"}, "gpus", "more than three decimals"),
        ({"gpus": 0.5}, "gpu_memory", "gpu_memory is missing"),
        ({"duration": None}, "duration", "duration is missing"),
        ({"duration": 0}, "duration", "shorter than a second"),
        ({"duration": -5}, "duration", "is not a duration"),
        ({"duration": "soon"}, "duration", "duration='soon' is not a duration"),
        ({"duration": ""}, "duration", "is not a duration"),
        ({"duration": True}, "duration", "is not a duration"),
        ({"duration": "10y"}, "duration", "is not a duration"),
        ({"duration": "3650d"}, "duration", "longer than a year"),
        ({"duration": 10**400}, "duration", "is not a duration"),
        ({"duration": float("nan")}, "duration", "is not a duration"),
        ({"gpu_memory": "lots"}, "gpu_memory", "gpu_memory='lots' is not a size"),
        ({"gpu_memory": 0}, "gpu_memory", "is not above 0"),
        ({"gpu_memory": -1}, "gpu_memory", "is not a size"),
        ({"gpu_memory": "9" * 300 + ".5"}, "gpu_memory", "is not a size"),
        ({"gpu_memory": False}, "gpu_memory", "is not a size"),
        ({"gpu_model": ""}, "gpu_model", "is not a name"),
        ({"gpu_model": 100}, "gpu_model", "is not a name"),
        ({"gpu_model": "x" * 201}, "gpu_model", "201 characters"),
        ({"note": "x" * 501}, "note", "501 characters, more than 500"),
        ({"note": "a\x1b[31mb"}, "note", "U+001B"),
        ({"note": "two\nlines"}, "note", "U+000A"),
        ({"note": "\ud800"}, "note", "U+D800"),
        ({"note": "\u202elet ruoy"}, "note", "U+202E"),
        ({"note": "\u2067to the end"}, "note", "U+2067"),
        ({"note": 3}, "note", "is not a text"),
        ({"interactive": "yes"}, "interactive", "is not true or false"),
        ({"dry_run": 1}, "dry_run", "is not true or false"),
        ({"gpu": 1}, "gpu", "'gpu' is not a field"),
    ],
)
def test_what_is_wrong_is_named_with_its_value(change, field, says):
    error = refusal(parse_request, GOOD | change)
    assert says in error.message
    assert error.detail["name"] == field


@pytest.mark.parametrize(
    ("name", "meant"),
    [("gpu", "gpus"), ("durations", "duration"), ("gpu_mem", "gpu_memory"), ("dryrun", "dry_run")],
)
def test_an_unknown_field_is_met_with_the_one_that_was_meant(name, meant):
    assert refusal(parse_request, GOOD | {name: 1}).hint == f"Did you mean {meant}?"


def test_an_empty_object_is_told_what_to_send():
    assert "gpus" in refusal(parse_request, {}).hint
    assert "extend" in refusal(parse_patch, {}).hint


def test_a_patch_extends_accepts_or_keeps_and_nothing_else():
    assert parse_patch({"extend": "1h"}) == 3600
    assert parse_patch({"extend": 90, "accept": None}) == 90
    assert parse_patch({"accept": True}) is Wish.ACCEPT
    assert parse_patch({"keep": True, "extend": None}) is Wish.KEEP
    for body in ({"accept": False}, {"keep": 1}, {"extend": True}, {"extend": 0}):
        refusal(parse_patch, body)
    assert (
        "extend and accept are there together"
        in refusal(parse_patch, {"extend": 1, "accept": True}).message
    )
    assert "None of" in refusal(parse_patch, {"extend": None}).message


def test_a_key_is_short_plain_text():
    assert parse_key(None) is None
    assert parse_key("  ") is None
    assert parse_key(" abc ") == "abc"
    assert parse_key("x" * MAX_KEY)
    refusal(parse_key, "x" * (MAX_KEY + 1))
    refusal(parse_key, "a\x00b")


def test_queries_are_bounded():
    assert parse_limit(None) == 100
    assert parse_limit(1000) == 1000
    refusal(parse_limit, 0)
    refusal(parse_limit, 1001)
    assert parse_status("ended")
    assert not parse_status(None)
    refusal(parse_status, "queued" * 100)
    refusal(parse_reason, "x" * 501)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty"),
        (b"  ", "empty"),
        (b"{", "not JSON"),
        (b"[1]", "a list, not an object"),
        (b"null", "null, not an object"),
        (b'"x"', "a text, not an object"),
        (b"7", "a number, not an object"),
        (b'{"gpus": NaN}', "NaN is not a number"),
        (b'{"gpus": 1, "gpus": 2}', "'gpus' is there twice"),
        ('{"note": "é"}'.encode("latin-1"), "not UTF-8"),
        ('{"gpus": 1}'.encode("utf-16"), "not UTF-8"),
        (b"[" * 60_000, "not JSON"),
        (b'{"gpus": ' + b"9" * 5000 + b"}", "not JSON"),
        (b" " * (MAX_BODY + 1), "more than"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_body_that_is_no_object_is_refused(body, says):
    assert says in refusal(parse_object, body).message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
field_names = st.sampled_from(
    ["gpus", "duration", "gpu_model", "gpu_memory", "kernel_id", "note", "group", "dry_run"]
)
amounts = st.one_of(st.integers(-2, 9), st.floats(0, 1), st.sampled_from([0.25, 0.5, 0.125]))
likely = st.fixed_dictionaries(
    {"gpus": amounts | json_values, "duration": st.sampled_from(["1h", 60]) | json_values},
    optional={
        "gpu_memory": st.sampled_from(["8GiB", 2**30]) | json_values,
        "note": json_values,
        "gpu_model": json_values,
        "interactive": json_values,
    },
)


@given(likely | st.dictionaries(field_names | st.text(max_size=9), json_values, max_size=6))
@example({"gpus": 0.9996, "duration": 1, "gpu_memory": 1})
def test_anything_is_a_request_or_a_refusal_that_names_it(body):
    try:
        request, dry_run = parse_request(body)
    except InvalidInput as error:
        check(error)
        return
    assert isinstance(dry_run, bool)
    assert 0 < request.milli < 1000 or (request.milli % 1000 == 0 and request.milli > 0)
    assert request.duration >= 1
    assert request.memory is None or request.memory > 0
    assert request.shared <= (request.memory is not None)


@given(st.dictionaries(st.sampled_from(["extend", "accept", "keep", "x"]), json_values))
def test_any_patch_is_a_time_or_a_wish_or_a_refusal(body):
    try:
        wished = parse_patch(body)
    except InvalidInput as error:
        check(error)
        return
    assert isinstance(wished, Wish) or wished >= 1


@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(str.encode)
    | json_values.map(repr).map(lambda text: text.encode(errors="replace"))
)
def test_any_bytes_are_an_object_or_a_refusal(body):
    try:
        assert isinstance(parse_object(body), dict)
    except InvalidInput as error:
        check(error)
