import json
from decimal import Decimal
from types import GenericAlias
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import UNSET, Meta, Struct, UnsetType, defstruct, field

from chalicelib.attributes import item
from chalicelib.declaration import (
    CHANGED,
    EPOCH_MS_MAX,
    VALUE_LENGTH_MAX,
    ByAttribute,
    ByPrefix,
    Key,
    Kind,
    Table,
    Time,
)
from chalicelib.errors import ERRORS_MAX, Invalid, Problem, TooLarge
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


def errors_of(record_type: type[Struct], body: bytes) -> dict[str, str]:
    with pytest.raises(Invalid) as raised:
        Validator(table(record_type, layout=())).record(body)
    return {error.pointer: error.detail for error in raised.value.errors}


class Address(Struct):
    street: str
    zip: Annotated[str, Meta(min_length=5, description="Postal code.")]
    floor: int | None = None


class Nested(Struct):
    id: str = "1"
    tags: Annotated[list[str], Meta(max_length=3)] = []
    words: set[str] | UnsetType = UNSET
    address: Address | UnsetType = UNSET
    homes: dict[str, list[Address]] = {}
    prices: dict[Annotated[str, Meta(max_length=3)], Decimal | None] = {}
    amounts: frozenset[Decimal] | UnsetType = UNSET
    count: Annotated[int, Meta(ge=0)] = 0
    data: Annotated[bytes, Meta(min_length=2)] = b"ab"
    flag: bool = True
    note: Annotated[str, Meta(pattern="^[a-z]+$")] | None = None
    step: Annotated[int, Meta(multiple_of=5)] = 5


NUMBER = (
    "must be a number, or a string with one, of at most 38 digits and a decimal exponent "
    "from -130 to 125"
)


@pytest.mark.parametrize(
    ("member", "pointer", "detail"),
    [
        ('"tags":["a",1]', "#/tags/1", "must be a string, not 1."),
        ('"tags":7', "#/tags", "must be an array with a length of at most 3, not 7."),
        ('"tags":["a","b","c","d"]', "#/tags", "must be an array with a length of at most 3, not"),
        ('"words":["a",null]', "#/words/1", "must be a string, not null."),
        ('"words":[]', "#/words", "must be an array of different values with a length of at least"),
        ('"address":[]', "#/address", "must be an object, not []."),
        ('"address":{"street":"s"}', "#/address/zip", "is required. Postal code."),
        (
            '"address":{"street":"s","zip":"1"}',
            "#/address/zip",
            'must be a string with a length of at least 5, not "1". Postal code.',
        ),
        (
            '"address":{"street":"s","zip":"12345","floor":"1"}',
            "#/address/floor",
            'must be an integer of at most 38 digits, or null, not "1".',
        ),
        (
            '"address":{"street":"s","zip":"12345","size":1}',
            "#/address/size",
            "is not a field of the object, whose fields are street, zip, floor.",
        ),
        ('"homes":{"a/b":[{}, 7]}', "#/homes/a~1b/1", "must be an object, not 7."),
        ('"prices":{"a":"x"}', "#/prices/a", NUMBER + ', or null, not "x".'),
        ('"prices":{"long":1}', "#/prices/long", "must have a name that is a string with a length"),
        (
            '"prices":{"%s":true}' % ("x" * 99),
            "#/prices",
            "has a member with a name of 99 characters, which must be a number",
        ),
        ('"amounts":[1,"NaN"]', "#/amounts/1", NUMBER + ', not "NaN".'),
        (
            '"count":-1',
            "#/count",
            "must be an integer of at most 38 digits that is at least 0, not",
        ),
        ('"count":1%s' % ("0" * 38), "#/count", "must be an integer of at most 38 digits"),
        (
            '"data":"YQ=="',
            "#/data",
            "must be a string in base64 of bytes with a length of at least",
        ),
        ('"flag":1', "#/flag", "must be true or false, not 1."),
        (
            '"note":"A"',
            "#/note",
            'must be a string that matches ^[a-z]+$, or null, not "A".',
        ),
        ('"step":7', "#/step", "must be an integer of at most 38 digits that is a multiple of 5"),
        ('"id":""', "#/id", "must have 1 to 2048 bytes, as the table's key."),
        ('"id":"%s"' % ("é" * 1025), "#/id", "must have 1 to 2048 bytes, as the table's key."),
    ],
)
def test_an_error_within_a_value_is_placed_there(member: str, pointer: str, detail: str) -> None:
    errors = errors_of(Nested, b"{%s}" % member.encode())
    assert detail in errors[pointer]
    assert len(errors[pointer]) < 300


def test_all_errors_within_values_are_named_at_once() -> None:
    errors = errors_of(
        Nested,
        b'{"tags":[1,"a",2],"address":{"zip":1,"floor":"x"},"homes":{"a":[{"street":1},7]}}',
    )
    assert errors.keys() == {
        "#/tags/0",
        "#/tags/2",
        "#/address/street",
        "#/address/zip",
        "#/address/floor",
        "#/homes/a/0/street",
        "#/homes/a/0/zip",
        "#/homes/a/1",
    }


@pytest.mark.parametrize("digits", ["9" * 38, "0." + "9" * 38, "-1e125", "1e-130", "0", "-9e-130"])
def test_a_number_that_dynamodb_takes_is_read_exactly_wherever_it_is(digits: str) -> None:
    body = b'{"prices":{"a":%s},"amounts":["%s"]}' % (digits.encode(), digits.encode())
    record = Validator(table(Nested, layout=())).record(body)
    assert str(record["prices"]["a"]) == str(Decimal(digits))
    assert record["amounts"] == frozenset({Decimal(digits)})


@pytest.mark.parametrize("digits", ["9" * 39, "0." + "1" * 39, "1e126", "1e-131", "1e999999"])
def test_a_number_that_dynamodb_refuses_is_named_wherever_it_is(digits: str) -> None:
    body = b'{"prices":{"a":%s},"amounts":["%s"]}' % (digits.encode(), digits.encode())
    errors = errors_of(Nested, body)
    assert errors.keys() == {"#/prices/a", "#/amounts/0"}
    assert all(detail.startswith(NUMBER) for detail in errors.values())


SCALARS: list[Any] = [
    str,
    int,
    bool,
    bytes,
    Decimal,
    Annotated[int, Meta(ge=-3, lt=9)],
    Annotated[str, Meta(min_length=1, max_length=3)],
]
TYPES = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: st.one_of(
        inner.map(lambda element: element | None),
        inner.map(lambda element: GenericAlias(list, element)),
        inner.map(lambda element: GenericAlias(dict, (str, element))),
        st.sampled_from([set[str], set[int], set[bytes], frozenset[str], frozenset[Decimal]]),
        st.lists(inner, min_size=1, max_size=2).map(
            lambda types: defstruct(
                "Inner",
                [(f"field{index}", each) for index, each in enumerate(types)],
                forbid_unknown_fields=True,
            )
        ),
    ),
    max_leaves=4,
)
LEAVES = st.sampled_from(["", "a", "YQ==", "1.5", "field0", 0, 1, -4, 1.5, True, None])
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["field0", "field1", "a/b"]), inner, max_size=2)
    ),
    max_leaves=6,
)


def at(document: Any, pointer: str) -> Any:
    """The value that a pointer leads to; KeyError or IndexError if it leads nowhere."""
    for segment in pointer.removeprefix("#").split("/")[1:]:
        name = segment.replace("~1", "/").replace("~0", "~")
        document = document[int(name)] if isinstance(document, list) else document[name]
    return document


@given(st.lists(TYPES, min_size=1, max_size=3), st.data())
def test_of_any_record_type_what_msgspec_refuses_is_placed_and_the_rest_is_read_alike(
    types: list[Any], data: st.DataObject
) -> None:
    fields = [(f"member{index}", each) for index, each in enumerate(types)]
    record_type = defstruct("Generated", [("id", str), *fields], forbid_unknown_fields=True)
    document = {"id": "1", **{name: data.draw(VALUES) for name, _ in fields}}
    body = json.dumps(document).encode()
    try:
        value = Validator(table(record_type, layout=())).record(body)
    except Invalid as refusal:
        pointers = [error.pointer for error in refusal.errors]
        assert len(pointers) == len(set(pointers))
        for error in refusal.errors:
            assert error.detail.endswith(".")
            if "is required" in error.detail:
                assert isinstance(at(document, error.pointer.rpartition("/")[0]), dict)
            else:
                at(document, error.pointer)
        expected = {pointer.split("/")[1] for pointer in pointers}
        broken = {name for name, each in fields if not reads(each, document[name])}
        empty = {name for name in document if "[]" in json.dumps(document[name])}
        assert broken <= expected <= broken | empty
    else:
        assert value == fields_of(msgspec.json.decode(body, type=record_type))


def fields_of(record: Struct) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def reads(declared: Any, value: Any) -> bool:
    try:
        msgspec.json.decode(json.dumps(value), type=declared)
    except msgspec.ValidationError:
        return False
    return True


def test_errors_within_values_are_answered_in_bounds() -> None:
    names = b",".join(b'"\xc3\xa9%d":7' % number for number in range(20_000))
    for body in (b'{"tags":[%s1]}' % (b"1," * 200_000), b'{"homes":{%s}}' % names):
        with pytest.raises(Invalid) as raised:
            Validator(table(Nested, layout=())).record(body)
        assert len(raised.value.errors) <= ERRORS_MAX + 1
        assert len(problem_response(raised.value).body) < 2_000_000


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


class Plain(Struct):
    id: str
    siteId: str


def test_the_error_of_a_field_without_a_description_names_the_rule() -> None:
    with pytest.raises(Invalid) as raised:
        Validator(table(Plain, layout=())).record(b'{"id":1}')
    assert {error.pointer: error.detail for error in raised.value.errors} == {
        "#/id": "must be a string, not 1.",
        "#/siteId": "is required.",
    }


class Line(Struct, kw_only=True):
    """What every kind of the shop has, in names that Python does not allow."""

    pk: str
    sk: str
    at: str | UnsetType = field(name="ordered at", default=UNSET)


class Order(Line, kw_only=True):
    number: int = field(name="order-no")
    grade: str = field(name="class", default="silver")
    group: str | UnsetType = UNSET


class Customer(Line, kw_only=True):
    typename: str = field(name="__typename", default="Customer")


SHOP = Table(
    key=(Key("pk"), Key("sk")),
    told_by=ByPrefix("sk"),
    kinds=(Kind("order", Order, when="ORDER#"), Kind("customer", Customer, when="PROFILE")),
    times=(Time("ordered at", "iso", offset="Z"), CHANGED),
)


def refused(declaration: Table, document: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as raised:
        Validator(declaration).record(json.dumps(document).encode())
    return {error.pointer: error.detail for error in raised.value.errors}


def accepted(declaration: Table, document: Any) -> dict[str, Any]:
    return Validator(declaration).record(json.dumps(document).encode())


def test_a_record_has_the_names_of_its_attributes() -> None:
    order = {"pk": "a", "sk": "ORDER#1", "ordered at": "2026-05-04", "order-no": 7}
    assert accepted(SHOP, order) == {**order, "class": "silver"}
    assert item(accepted(SHOP, order)) == {
        "pk": {"S": "a"},
        "sk": {"S": "ORDER#1"},
        "ordered at": {"S": "2026-05-04"},
        "order-no": {"N": "7"},
        "class": {"S": "silver"},
    }
    customer = {"pk": "a", "sk": "PROFILE"}
    assert accepted(SHOP, customer) == {**customer, "__typename": "Customer"}


def test_each_kind_of_record_has_rules_of_its_own() -> None:
    assert refused(SHOP, {"pk": "a", "sk": "ORDER#1", "__typename": "x", "order-no": "7"}) == {
        "#/__typename": "is not a field of the record, whose fields are pk, sk, ordered at, "
        "order-no, class, group.",
        "#/order-no": 'must be an integer of at most 38 digits, not "7".',
    }
    assert refused(SHOP, {"pk": "a", "sk": "PROFILE", "order-no": 7}).keys() == {"#/order-no"}


@pytest.mark.parametrize(
    ("document", "end"),
    [
        ({"pk": "a"}, "and is missing."),
        ({"pk": "a", "sk": "ITEM#1"}, 'not "ITEM#1".'),
        ({"pk": "a", "sk": ["ORDER#"]}, 'not ["ORDER#"].'),
    ],
)
def test_a_record_of_no_declared_kind_is_refused_with_the_kinds(document: Any, end: str) -> None:
    assert refused(SHOP, document) == {
        "#/sk": "says of which kind a record is: it must begin with ORDER# (order) or PROFILE "
        f"(customer), {end}"
    }


def test_kinds_told_by_an_attribute_are_those_with_its_very_text() -> None:
    class Told(Struct):
        id: str
        type: str

    declaration = Table(
        key=(Key("id"),), told_by=ByAttribute("type"), kinds=(Kind("told", Told, when="T"),)
    )
    assert accepted(declaration, {"id": "1", "type": "T"}) == {"id": "1", "type": "T"}
    assert "it must be T (told), not" in refused(declaration, {"id": "1", "type": "TT"})["#/type"]


def test_a_batch_may_not_write_one_key_of_two_parts_twice() -> None:
    one, other = {"pk": "a", "sk": "PROFILE"}, {"pk": "a", "sk": "PROFILE2"}
    body = json.dumps([one, other, {**one, "__typename": "x"}]).encode()
    with pytest.raises(Invalid) as raised:
        Validator(SHOP).batch(body)
    assert [(error.pointer, error.detail) for error in raised.value.errors] == [
        ("#/2", "has the pk and sk of #/0 too; a batch may write a record only once.")
    ]


def test_the_parts_of_a_key_have_limits_of_their_own() -> None:
    for name, limit in (("pk", 2048), ("sk", 1024)):
        key = {"pk": "a", "sk": "PROFILE"}
        longest = key[name].ljust(limit, "x")
        assert accepted(SHOP, {**key, name: longest})[name] == longest
        assert refused(SHOP, {**key, name: longest + "x"}) == {
            f"#/{name}": f"must have 1 to {limit} bytes, as the table's key."
        }


def test_a_binary_and_a_numeric_key_are_read_as_such() -> None:
    declaration = Table(key=(Key("hash", "B"), Key("at", "N")))
    record = accepted(declaration, {"hash": "aGk=", "at": 1.5, "rest": {"a": [1e3]}})
    assert record == {"hash": b"hi", "at": Decimal("1.5"), "rest": {"a": [1000]}}
    assert refused(declaration, {"hash": "", "at": "x", "": 1}) == {
        "#/": "must have a name of 1 to 65535 bytes.",
        "#/hash": "must have 1 to 2048 bytes, as the table's key.",
        "#/at": NUMBER + ', not "x".',
    }


@pytest.mark.parametrize(
    ("time", "value", "detail"),
    [
        (Time("t"), 1700076551, "must be in milliseconds, and looks like seconds."),
        (Time("t", "us"), 1700076551926, "must be in microseconds, and looks like milliseconds."),
        (Time("t", "s"), 1700076551926, "in epoch seconds; it looks like milliseconds."),
        (Time("t", "s"), -1, "must lie in the years 1970-9999, in epoch seconds."),
        (Time("t", "iso"), "2023-11-15T19:29:11", "must have its offset from UTC, such as Z or"),
        (
            Time("t", "iso"),
            "15.11.2023",
            "must be a time in ISO 8601, such as 2023-11-15T19:29:11Z",
        ),
        (Time("t", "iso"), "2023-02-29T00:00Z", "must be a time that exists."),
    ],
)
def test_an_event_time_that_cannot_be_meant_is_refused_with_a_hint(
    time: Time, value: Any, detail: str
) -> None:
    types: Any = str if time.unit == "iso" else int
    record = defstruct("Timed", [("id", str), ("t", types)])
    declaration = Table(key=(Key("id"),), kinds=(Kind("timed", record),), times=(time,))
    errors = refused(declaration, {"id": "1", "t": value})
    assert errors.keys() == {"#/t"}
    assert detail in errors["#/t"]


def test_a_time_before_1973_is_taken_where_such_times_are_declared_real() -> None:
    class Timed(Struct):
        id: str
        t: int

    times = (Time("t", real_before_1973=True),)
    declaration = Table(key=(Key("id"),), kinds=(Kind("timed", Timed),), times=times)
    assert accepted(declaration, {"id": "1", "t": 1700076551})["t"] == 1700076551


def test_a_record_needs_one_of_its_times_unless_the_change_has_it() -> None:
    class Timed(Struct):
        id: str
        one: int | UnsetType | None = UNSET
        other: int | UnsetType = UNSET

    times = (Time("one"), Time("other"))
    declaration = Table(key=(Key("id"),), kinds=(Kind("timed", Timed),), times=times)
    for document in ({"id": "1"}, {"id": "1", "one": None}):
        assert refused(declaration, document) == {"#": "must have one or other, its event time."}
    assert refused(declaration, {"id": "1", "one": "x"}).keys() == {"#/one"}
    assert accepted(declaration, {"id": "1", "other": 1})
    assert accepted(msgspec.structs.replace(declaration, times=(*times, CHANGED)), {"id": "1"})


def test_a_level_is_required_and_as_long_as_the_layout_allows() -> None:
    class Placed(Struct):
        id: str
        region: str | UnsetType = UNSET
        grid: int | UnsetType = UNSET
        block: str | UnsetType = UNSET

    declaration = table(Placed, layout=("region", "grid", "block", "year"))
    lengths = {level.name: level.length for level in declaration.levels}
    assert lengths["region"] < VALUE_LENGTH_MAX
    longest = "x" * lengths["region"]
    placed = {"id": "1", "region": longest, "grid": 1, "block": "b"}
    assert accepted(declaration, placed) == placed
    errors = refused(declaration, {**placed, "region": longest + "x"})
    assert f"must have at most {lengths['region']} characters once" in errors["#/region"]
    assert refused(declaration, {"id": "1"}) == {
        f"#/{name}": "is required: it is a level of the lake."
        for name in ("region", "grid", "block")
    }
