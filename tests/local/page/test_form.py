"""The form's fields, and the record that it means."""

from decimal import Decimal
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from local.page.form import fields, record
from tests.chalicelib.test_exact import BEYOND


class Reading(Struct):
    id: str
    level: Annotated[int, Meta(description="How high.")]
    tags: list[str] | UnsetType = UNSET
    note: Annotated[str, Meta(description="Free.")] | UnsetType = UNSET


FIELDS = fields(Reading)


def filled(**form: str) -> dict[str, Any]:
    return record(form, FIELDS)


def test_the_fields_are_those_of_the_schema_in_its_order() -> None:
    assert [(field.name, field.required, field.help) for field in FIELDS] == [
        ("id", True, ""),
        ("level", True, "How high."),
        ("tags", False, ""),
        ("note", False, "Free."),
    ]
    assert [field.name for field in FIELDS if field.whole_number] == ["level"]
    assert {"siteId", "createdAtTime"} < {field.name for field in fields()}


def test_a_decimal_goes_out_to_the_last_digit() -> None:
    number = "1234567890123456789.0123456789012345678"
    assert filled(level=number) == {"level": Decimal(number)}


def test_numbers_go_out_as_numbers_to_the_last_digit_and_text_as_text() -> None:
    assert filled(id="12", level="99999999999999999999", note="{}") == {
        "id": "12",
        "level": 99999999999999999999,
        "note": "{}",
    }
    assert filled(tags='["a"]') == {"tags": ["a"]}


def test_what_is_no_number_goes_out_for_the_api_to_refuse() -> None:
    for value in ("many", *BEYOND):
        assert filled(level=value) == {"level": value}


def test_empty_and_unknown_fields_are_left_out() -> None:
    assert filled(id="", other="1") == {}
