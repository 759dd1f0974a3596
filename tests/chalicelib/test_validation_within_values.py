"""Values within values: what is read of them, and where an error in one is placed."""

import json
from decimal import Decimal
from types import GenericAlias
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Meta, Struct, UnsetType, defstruct

from chalicelib.errors import ERRORS_MAX, Invalid
from chalicelib.problems import problem_response
from chalicelib.validation import (
    Validator,
)
from tests.declaring import table


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
