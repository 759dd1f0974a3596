import json
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct, UnsetType

from chalicelib.attributes import attribute, item, number, plain
from chalicelib.types import attributes_reader, attributes_type, field_type, field_types, nullable
from tests.attribute_values import attribute_values


class Address(Struct):
    street: str
    floor: int | UnsetType = msgspec.UNSET


def read(schema_type: Any, attribute_value: Any) -> Any:
    declared = field_type(msgspec.inspect.type_info(schema_type))
    return declared.read(msgspec.json.decode(json.dumps(attribute_value), type=declared.wire))


@pytest.mark.parametrize(
    ("schema_type", "attribute_value", "value"),
    [
        (str, {"S": ""}, ""),
        (bool, {"BOOL": False}, False),
        (bytes, {"B": "AAH/"}, b"\x00\x01\xff"),
        (int, {"N": "-12"}, -12),
        (Decimal, {"N": "0.1"}, Decimal("0.1")),
        (Annotated[str, Meta(description="a name")], {"S": "a"}, "a"),
        (str | None, {"NULL": True}, None),
        (str | None, {"S": "a"}, "a"),
        (list[int | None], {"L": [{"N": "1"}, {"NULL": True}]}, [1, None]),
        (dict[str, Decimal], {"M": {"a": {"N": "1.50"}}}, {"a": Decimal("1.50")}),
        (
            Address,
            {"M": {"street": {"S": "Elm"}, "floor": {"N": "2"}}},
            {"street": "Elm", "floor": 2},
        ),
        (Address, {"M": {"street": {"S": "Elm"}}}, {"street": "Elm"}),
        (set[str], {"SS": ["b", "a"]}, ["a", "b"]),
        (frozenset[Decimal], {"NS": ["10", "9.5"]}, [Decimal("9.5"), 10]),
        (frozenset[bytes], {"BS": ["Yg==", "YQ=="]}, [b"a", b"b"]),
    ],
)
def test_every_attribute_type_is_read(schema_type: Any, attribute_value: Any, value: Any) -> None:
    assert read(schema_type, attribute_value) == value


@pytest.mark.parametrize(
    "schema_type", [float, tuple[int, str], set[bool], list[float], str | float]
)
def test_a_type_that_no_attribute_holds_exactly_is_refused_with_the_schema(
    schema_type: Any,
) -> None:
    with pytest.raises(TypeError):
        field_type(msgspec.inspect.type_info(schema_type))


@pytest.mark.parametrize("value", [{}, {"S": "a", "NULL": True}])
def test_an_attribute_of_no_or_two_types_is_refused_where_null_may_stand(value: Any) -> None:
    with pytest.raises(ValueError, match="not one attribute value"):
        read(str | None, value)


def test_a_type_that_may_be_null_already_stays_as_it_is() -> None:
    twice = nullable(field_type(msgspec.inspect.type_info(str | None)))
    assert twice.read(twice.wire(NULL=True)) is None


def test_an_image_with_an_undeclared_attribute_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="other"):
        msgspec.json.decode(b'{"other": {"S": ""}}', type=attributes_type(field_types(Address)))


def test_a_broken_value_is_named_by_its_field() -> None:
    image = msgspec.json.decode(
        b'{"floor": {"N": "two"}}', type=attributes_type(field_types(Address))
    )
    with pytest.raises(ValueError, match=r"^floor is not a number"):
        attributes_reader(field_types(Address))(image)


def test_a_record_becomes_an_item_without_its_absent_fields() -> None:
    assert item(Address("Elm")) == {"street": {"S": "Elm"}}


@pytest.mark.parametrize("value", [1.5, set(), {"a", 1}, {None}, object()])
def test_a_value_dynamodb_has_no_exact_type_for_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        attribute(value)


@pytest.mark.parametrize(
    "text",
    ["", "x", "1_0", " 1", "NaN", "Infinity", "1e999", "\u0661", "1" * 500],
)
def test_text_that_is_not_a_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="number"):
        number(text)


numbers = st.decimals(allow_nan=False, allow_infinity=False).filter(
    lambda value: abs(value.adjusted()) <= 125 and len(value.as_tuple().digits) <= 38
)
scalars = st.none() | st.booleans() | st.text() | st.integers(-(10**37), 10**37) | numbers
values = st.recursive(
    scalars | st.frozensets(st.text(), min_size=1) | st.frozensets(numbers, min_size=1),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=12,
)


def as_read(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, list):
        return [as_read(each) for each in value]
    if isinstance(value, dict):
        return {name: as_read(each) for name, each in value.items()}
    return value


@given(st.dictionaries(st.text(), values, max_size=5))
def test_any_item_reads_back_exactly(fields: dict[str, Any]) -> None:
    attributes = {name: attribute(value) for name, value in fields.items()}
    assert plain(attributes) == as_read(fields)


@pytest.mark.parametrize("schema_type", [str | int, int | str | None, Any])
@pytest.mark.parametrize(
    ("attribute_value", "value"),
    [
        ({"S": "12"}, "12"),
        ({"S": "{}"}, '{"S":"{}"}'),
        ({"N": "12"}, '{"N":"12"}'),
    ],
)
def test_a_value_of_several_types_is_its_text_or_its_dynamodb_json(
    schema_type: Any, attribute_value: Any, value: str
) -> None:
    assert read(schema_type, attribute_value) == value
    declared = field_type(msgspec.inspect.type_info(schema_type))
    assert declared.attribute(value) == attribute_value


@given(attribute_values)
def test_anything_is_read_and_written_back(value: dict[str, Any]) -> None:
    declared = field_type(msgspec.inspect.type_info(Any))
    wire = msgspec.json.decode(msgspec.json.encode(value), type=declared.wire)
    assert declared.attribute(declared.read(wire)) == value


def test_a_line_that_is_older_than_the_wider_type_stays_readable() -> None:
    declared = field_type(msgspec.inspect.type_info(str | int))
    assert declared.attribute(12) == {"N": "12"}
    assert declared.attribute("text") == {"S": "text"}
