"""Values of several types, and of any: what the other types are held to is in test_validation."""

import json
from decimal import Decimal
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Raw, Struct

from chalicelib.attributes import attribute
from chalicelib.errors import ERRORS_MAX, FieldError
from chalicelib.limits import NESTING_MAX
from chalicelib.readers import ObjectReader, read_anything


class Mixed(Struct):
    """Fields of several types."""

    amount: Annotated[int, Meta(ge=0)] | str = 0
    tags: list[int] | bool | None = None
    anything: Any = None


def read(body: str) -> tuple[Any, dict[str, str]]:
    errors: list[FieldError] = []
    record = ObjectReader(Mixed).read(Raw(body.encode()), "#", errors)
    return record, {error.pointer: error.detail for error in errors}


def anything(body: str) -> tuple[Any, dict[str, str]]:
    errors: list[FieldError] = []
    value = read_anything(Raw(body.encode()), "#", errors)
    return value, {error.pointer: error.detail for error in errors}


@pytest.mark.parametrize(
    ("body", "record"),
    [
        ('{"amount":7}', Mixed(7)),
        ('{"amount":7.0}', Mixed(7)),
        ('{"amount":"7"}', Mixed("7")),
        ('{"tags":[1,2]}', Mixed(tags=[1, 2])),
        ('{"tags":true}', Mixed(tags=True)),
        ('{"tags":null}', Mixed()),
        (
            '{"anything":{"a":[1.10,null,"x",false]}}',
            Mixed(anything={"a": [Decimal("1.10"), None, "x", False]}),
        ),
    ],
)
def test_a_value_may_be_of_each_of_its_types(body: str, record: Mixed) -> None:
    assert read(body) == (record, {})


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        (
            '{"amount":-1}',
            "#/amount",
            "must be an integer of at most 38 digits that is at least 0 or a string, not -1.",
        ),
        ('{"amount":null}', "#/amount", "or a string, not null."),
        ('{"tags":["x"]}', "#/tags", "must be an array or true or false, or null, not"),
        ('{"anything":[{"a/b":1e126}]}', "#/anything/0/a~1b", "must be a number of at most 38"),
    ],
)
def test_a_value_of_none_of_its_types_is_refused_with_all_of_them(
    body: str, pointer: str, detail: str
) -> None:
    record, errors = read(body)
    assert record is None
    assert errors.keys() == {pointer}
    assert detail in errors[pointer]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**37), 10**37) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(min_size=1), inner),
    max_leaves=8,
)


@given(JSON)
def test_any_json_is_read_as_it_is_and_is_an_attribute(value: Any) -> None:
    assert anything(json.dumps(value)) == (value, {})
    assert attribute(value)


@pytest.mark.parametrize(
    "digits", ["0.1", "1e125", "-1E-130", "9" * 38, "123456789.000000000000000001"]
)
def test_any_number_stays_exact(digits: str) -> None:
    value, errors = anything(digits)
    assert not errors
    assert value == Decimal(digits)
    assert not isinstance(value, float)


@pytest.mark.parametrize("digits", ["9" * 39, "1e126", "1e-131", "1e999999999"])
def test_a_number_that_no_attribute_holds_is_refused(digits: str) -> None:
    _, errors = anything(f"[0,{digits}]")
    assert errors.keys() == {"#/1"}


def test_values_are_nested_as_deep_as_dynamodb_takes_them() -> None:
    deepest = NESTING_MAX - 1
    value, errors = anything("[" * deepest + "1" + "]" * deepest)
    assert not errors
    assert attribute(value)
    _, errors = anything("[" * NESTING_MAX + "]" * NESTING_MAX)
    assert list(errors) == ["#" + "/0" * deepest]
    assert "nested at most 32 levels deep" in errors["#" + "/0" * deepest]


def test_a_name_that_no_attribute_may_have_is_refused() -> None:
    _, errors = anything('{"":1,"%s":2}' % ("x" * 65_536))
    assert errors["#/"] == "must have a name of 1 to 65535 bytes."
    assert errors["#"].startswith("has a member with a name of 65536 characters, which must have a")


def test_errors_within_anything_are_bounded() -> None:
    _, errors = anything("[" + ",".join(["1e999"] * 9_000) + "]")
    assert len(errors) == ERRORS_MAX
