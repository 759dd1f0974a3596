import json
from decimal import Decimal
from typing import Annotated, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import UNSET, Meta, UnsetType, field

from chalicelib.declaration import (
    EPOCH_MS_MAX,
    VALUE_LENGTH_MAX,
)
from chalicelib.errors import Invalid, Problem, TooLarge
from chalicelib.problems import problem_response
from chalicelib.schema import TABLE, Record
from chalicelib.validation import (
    BATCH_BYTES_MAX,
    BATCH_RECORDS_MAX,
    RECORD_BYTES_MAX,
    Validator,
)
from tests.declaring import table

VALIDATOR = Validator(TABLE)

SAMPLE = (
    b'{"id":"123","siteId":"2","createdAtTime":1700076551926,'
    b'"name":"Name one","valueOne":123,"valueTwo":6789}'
)


def broken(body: bytes) -> dict[str, str]:
    """The errors of a body, by pointer."""
    with pytest.raises(Invalid) as raised:
        VALIDATOR.record(body)
    return {error.pointer: error.detail for error in raised.value.errors}


def broken_batch(body: bytes) -> dict[str, str]:
    with pytest.raises(Invalid) as raised:
        VALIDATOR.batch(body)
    return {error.pointer: error.detail for error in raised.value.errors}


def test_a_sample_is_read_whole() -> None:
    assert VALIDATOR.record(SAMPLE) == json.loads(SAMPLE)


def test_what_the_sender_leaves_out_is_filled_in_or_stays_absent() -> None:
    one, other = VALIDATOR.record(b'{"siteId":"2"}'), VALIDATOR.record(b'{"siteId":"2"}')
    assert one["id"] != other["id"]
    assert 1_700_000_000_000 < one["createdAtTime"] <= EPOCH_MS_MAX
    assert one.keys() == {"id", "siteId", "createdAtTime"}


@pytest.mark.parametrize("value", [-(2**63), 2**63 - 1, 2**53 + 1, 0])
def test_64_bit_integers_are_read_exactly(value: int) -> None:
    assert VALIDATOR.record(b'{"siteId":"2","valueOne":%d}' % value)["valueOne"] == value


@pytest.mark.parametrize(
    "text", ['", "siteId": "99', "\0", "../../x", "\u2028", "🦙", "a\nb", '{"siteId":"3"}']
)
def test_texts_are_read_as_they_are(text: str) -> None:
    record = VALIDATOR.record(json.dumps({"siteId": "2", "name": text}).encode())
    assert (record["siteId"], record["name"]) == ("2", text)


def test_of_a_field_written_twice_the_last_counts() -> None:
    assert VALIDATOR.record(b'{"siteId":"1","name":7,"siteId":"2","name":"x"}')["siteId"] == "2"


INTEGERS = (
    "must be an integer that is at least -9223372036854775808 and at most 9223372036854775807"
)


@pytest.mark.parametrize(
    ("member", "pointer", "detail"),
    [
        (b'"id":""', "#/id", 'length of at least 1 and at most 512, not ""'),
        (b'"id":"%s"' % (b"x" * 513), "#/id", "not a string of 515 bytes"),
        (b'"id":7', "#/id", "must be a string"),
        (b'"id":"."', "#/id", "must not be . or .., which no path can name"),
        (b'"id":"\\u002e."', "#/id", "must not be . or .., which no path can name"),
        (b'"siteId":""', "#/siteId", 'at least 1, not ""'),
        (b'"siteId":null', "#/siteId", "not null"),
        (b'"siteId":"%s"' % (b"x" * 257), "#/siteId", "at most 256 characters"),
        (b'"siteId":"%s"' % (b"/" * 86), "#/siteId", "once percent-encoded, and has 258"),
        (b'"createdAtTime":-1', "#/createdAtTime", "years 1970-9999"),
        (b'"createdAtTime":253402300800000', "#/createdAtTime", "years 1970-9999"),
        (b'"createdAtTime":"2023-11-15"', "#/createdAtTime", 'not "2023-11-15"'),
        (b'"createdAtTime":1.5', "#/createdAtTime", "must be an integer"),
        (b'"createdAtTime":true', "#/createdAtTime", "not true"),
        (b'"name":null', "#/name", "must be a string, not null. Free text."),
        (b'"name":["%s"]' % (b"x" * 99), "#/name", "not an array of 103 bytes"),
        (b'"name":{"a":"%s"}' % (b"x" * 99), "#/name", "not an object of 107 bytes"),
        (b'"valueOne":9223372036854775808', "#/valueOne", INTEGERS),
        (b'"valueOne":-9223372036854775809', "#/valueOne", INTEGERS),
        (b'"valueOne":1e400', "#/valueOne", INTEGERS + ", not 1e400"),
        (b'"valueOne":1.0000000000000000001', "#/valueOne", INTEGERS + ", not 1.0"),
        (b'"valueOne":9223372036854775807.5', "#/valueOne", INTEGERS),
        (b'"valueOne":9.223372036854775808e18', "#/valueOne", INTEGERS + ", not 9.2"),
        (b'"name":1.0', "#/name", "must be a string, not 1.0"),
        (b'"valueOne":%s' % (b"9" * 5000), "#/valueOne", "not a number of 5000 bytes"),
        (b'"valueOne":"1"', "#/valueOne", INTEGERS),
        (b'"valueOne":false', "#/valueOne", INTEGERS),
        (b'"colour":"red"', "#/colour", "is not a field of the record"),
        (b'"site/~id":1', "#/site~1~0id", "id, siteId, createdAtTime, name, valueOne, valueTwo"),
        ('"größe":1'.encode(), "#/gr%C3%B6%C3%9Fe", "is not a field"),
        (b'"%s":1' % (b"x" * 300), "#", "has a member with a name of 300 characters"),
        (b'"":1', "#/", "is not a field"),
    ],
)
def test_a_broken_rule_is_named_at_its_place(member: bytes, pointer: str, detail: str) -> None:
    errors = broken(b'{"siteId":"2",%s}' % member)
    assert errors.keys() == {pointer}
    assert detail in errors[pointer]
    assert len(errors[pointer]) < 300


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (b"1.0", 1),
        (b"-1.50e3", -1500),
        (b"9007199254740993.0", 9007199254740993),
        (b"9.223372036854775807e18", 2**63 - 1),
        (b"-0.0", 0),
    ],
)
def test_a_whole_number_may_be_written_as_a_decimal(written: bytes, value: int) -> None:
    record = VALIDATOR.record(b'{"siteId":"2","valueOne":%s}' % written)
    assert type(record["valueOne"]) is int
    assert record["valueOne"] == value


def test_a_missing_field_is_named_with_its_meaning() -> None:
    assert broken(b"{}") == {
        "#/siteId": "is required. Site the record belongs to; first partition level."
    }


def test_every_bad_field_is_named_at_once() -> None:
    errors = broken(
        b'{"id":"","createdAtTime":-1,"name":1,"valueOne":1e400,"valueTwo":1.5,"colour":"red"}'
    )
    assert set(errors) == {
        "#/id",
        "#/siteId",
        "#/createdAtTime",
        "#/name",
        "#/valueOne",
        "#/valueTwo",
        "#/colour",
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"{", "not JSON: it ends too early"),
        (b"siteId=2", "not JSON: invalid character"),
        (b"{'siteId': 2}", "not JSON"),
        (b'{"siteId":"2",}', "not JSON"),
        (b'{"siteId":"2"} {}', "not JSON: trailing characters"),
        (b'{"siteId":"2","valueOne":NaN}', "not JSON"),
        (b'{"siteId":"2","valueOne":01}', "not JSON"),
        (b'{"siteId":"\\ud800"}', "not JSON: it ends too early, or a text in it ends within"),
        (b'{"siteId":"\\ud800x"}', "not JSON"),
        (b'{"siteId":"\\udc00\\ud800"}', "not JSON"),
        (b'\xef\xbb\xbf{"siteId":"2",}', "not JSON"),
        (b"\xef\xbb\xbf", "is empty"),
        (b'{"siteId":"\xff"}', "not UTF-8: invalid start byte at byte 11"),
        ('{"siteId":"é"}'.encode("utf-16"), "not UTF-8, as JSON must be, but UTF-16"),
        ('{"siteId":"é"}'.encode("utf-16-le"), "not UTF-8, as JSON must be, but UTF-16"),
        ('{"siteId":"é"}'.encode("utf-16-be"), "not UTF-8, as JSON must be, but UTF-16"),
        ('{"siteId":"é"}'.encode("utf-32"), "not UTF-8, as JSON must be, but UTF-32"),
        ('{"siteId":"é"}'.encode("utf-32-be"), "not UTF-8, as JSON must be, but UTF-32"),
        (b'{"siteId":"\xed\xa0\x80"}', "not UTF-8"),
        (b"[]", r"must be a JSON object, the record, not \[\]"),
        (b'"siteId"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b"1e400", "must be a JSON object"),
        (b"[" * 200_000, "must be a JSON object"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "nested too deeply"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    ],
)
def test_a_body_that_is_no_object_is_refused_with_the_reason(body: bytes, message: str) -> None:
    with pytest.raises(Invalid, match=message) as raised:
        VALIDATOR.record(body)
    assert len(raised.value.detail) < 200


def test_a_byte_order_mark_before_the_body_is_skipped() -> None:
    assert VALIDATOR.record(b"\xef\xbb\xbf" + SAMPLE) == VALIDATOR.record(SAMPLE)
    assert len(VALIDATOR.batch(b"\xef\xbb\xbf[" + SAMPLE + b"]")) == 1


def test_a_body_over_400_kb_is_too_large_and_one_of_400_kb_is_not() -> None:
    body = b'{"siteId":"2","id":"1","createdAtTime":1,"name":"%s"}'
    longest = RECORD_BYTES_MAX - len(body) + 2
    assert VALIDATOR.record(body % (b"x" * longest))["siteId"] == "2"
    with pytest.raises(TooLarge, match="409600 are allowed"):
        VALIDATOR.record(body % (b"x" * (longest + 1)))


def test_a_record_that_grows_over_400_kb_when_filled_in_is_too_large() -> None:
    with pytest.raises(TooLarge, match="The record has"):
        VALIDATOR.record(b'{"siteId":"2","name":"%s"}' % (b"x" * (RECORD_BYTES_MAX - 30)))


def test_a_batch_is_read_in_order() -> None:
    records = VALIDATOR.batch(b'[{"siteId":"1","id":"a"},{"siteId":"2","id":"b"}]')
    assert [(record["siteId"], record["id"]) for record in records] == [("1", "a"), ("2", "b")]


def test_a_batch_names_every_bad_field_of_every_record() -> None:
    errors = broken_batch(
        b'[{"siteId":"1"},{"siteId":"","name":1},7,{"colour":1},{"siteId":"1","valueOne":1e400}]'
    )
    assert set(errors) == {
        "#/1/siteId",
        "#/1/name",
        "#/2",
        "#/3/siteId",
        "#/3/colour",
        "#/4/valueOne",
    }


def test_a_batch_may_not_write_one_id_twice_however_it_is_spelled() -> None:
    errors = broken_batch(
        b'[{"siteId":"1","id":"a"},{"siteId":"1"},{"siteId":1,"id":"\\u0061"},{"siteId":"1"}]'
    )
    assert set(errors) == {"#/2/siteId", "#/2/id"}
    assert "is the id of #/0 too" in errors["#/2/id"]


def test_a_batch_takes_500_records_and_no_more() -> None:
    records = [b'{"siteId":"1"}'] * BATCH_RECORDS_MAX
    assert len(VALIDATOR.batch(b"[" + b",".join(records) + b"]")) == BATCH_RECORDS_MAX == 500
    with pytest.raises(Invalid, match="this one has 501"):
        VALIDATOR.batch(b"[" + b",".join([*records, records[0]]) + b"]")
    with pytest.raises(Invalid, match="1 to 500 records, and this one has 0"):
        VALIDATOR.batch(b"[]")


def test_a_batch_with_a_record_over_400_kb_is_refused_at_its_place() -> None:
    large = b'{"siteId":"2","name":"%s"}' % (b"x" * RECORD_BYTES_MAX)
    assert set(broken_batch(b'[{"siteId":"1"},' + large + b"]")) == {"#/1"}


def test_a_batch_over_2_mb_is_too_large() -> None:
    with pytest.raises(TooLarge, match="2097152 are allowed"):
        VALIDATOR.batch(b" " * (BATCH_BYTES_MAX + 1))


@pytest.mark.parametrize("body", [b"{}", b'{"siteId":"1"}', b'"x"', b"", b"[", b"\xff"])
def test_a_batch_that_is_no_array_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid, match=r"JSON array of records|not JSON|not UTF-8"):
        VALIDATOR.batch(body)


def test_a_body_of_nothing_but_unknown_fields_is_answered_in_bounds() -> None:
    members = b",".join(b'"f%d":1' % number for number in range(30_000))
    batch = b"[" + b",".join([b"{%s}" % members] * 6) + b"]"
    assert len(batch) < BATCH_BYTES_MAX
    with pytest.raises(Invalid) as raised:
        VALIDATOR.batch(batch)
    assert len(raised.value.errors) == 30_001
    assert len(problem_response(raised.value).body) < 2_000_000


class Wider(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The record with more kinds of fields than it has today."""

    price: Decimal
    zone: Annotated[str, Meta(pattern="^[a-z]+$")] = "north"
    tags: list[str] = field(default_factory=list)
    ratio: Annotated[int, Meta(gt=0, lt=10)] | UnsetType = UNSET
    step: Annotated[int, Meta(multiple_of=5)] | None = None


def test_a_field_added_to_the_schema_is_read_without_another_edit() -> None:
    record = Validator(table(Wider)).record(b'{"siteId":"2","price":"1.10","tags":["a"],"step":10}')
    assert (record["price"], record["zone"], record["tags"], record["step"]) == (
        Decimal("1.10"),
        "north",
        ["a"],
        10,
    )
    with pytest.raises(Invalid) as raised:
        Validator(table(Wider)).record(
            b'{"siteId":"2","price":"x","zone":"A","tags":[1],"ratio":10,"step":7}'
        )
    errors = {error.pointer: error.detail for error in raised.value.errors}
    assert set(errors) == {"#/price", "#/zone", "#/tags/0", "#/ratio", "#/step"}
    assert errors["#/ratio"].startswith("must be an integer that is above 0 and below 10, not 10.")


def test_a_field_that_the_layout_takes_as_a_level_follows_its_rule() -> None:
    class Zoned(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
        zone: str

    with pytest.raises(Invalid) as raised:
        Validator(table(Zoned, layout=("zone", "year"))).record(
            json.dumps({"siteId": "x" * 1000, "zone": ""}).encode()
        )
    assert [error.pointer for error in raised.value.errors] == ["#/zone"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
LIKE_RECORDS = st.dictionaries(st.sampled_from([*Record.__struct_fields__, "colour"]), JSON)


def checked(read: Any, body: bytes) -> None:
    try:
        read(body)
    except Problem as problem:
        assert len(problem_response(problem).body) < 1_000_000  # noqa: PT017 - either end is right


@given(st.binary() | JSON.map(json.dumps).map(str.encode))
@example(b'{"siteId":"\\ud800"}')
def test_no_body_raises_anything_but_a_problem(body: bytes) -> None:
    checked(VALIDATOR.record, body)
    checked(VALIDATOR.batch, body)


@given(st.lists(LIKE_RECORDS, min_size=1, max_size=3))
def test_nothing_like_a_record_raises_anything_but_a_problem(documents: list[Any]) -> None:
    checked(VALIDATOR.record, json.dumps(documents[0]).encode())
    checked(VALIDATOR.batch, json.dumps(documents).encode())


@given(st.text(min_size=1, max_size=VALUE_LENGTH_MAX * 2))
def test_a_site_passes_exactly_when_a_partition_can_be_named_after_it(site: str) -> None:
    body = json.dumps({"siteId": site}).encode()
    if _encoded_length(site) <= VALUE_LENGTH_MAX:
        assert VALIDATOR.record(body)["siteId"] == site
    else:
        assert set(broken(body)) == {"#/siteId"}


def _encoded_length(text: str) -> int:
    """Characters once percent-encoded: one for an unreserved character, three for a byte else."""
    return sum(
        1 if char.isascii() and (char.isalnum() or char in "-._~") else 3 * len(char.encode())
        for char in text
    )
