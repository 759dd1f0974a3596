"""The form's fields, and the record that it means."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest
from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.declaration import Key, Table
from chalicelib.declared import load
from chalicelib.schema import TABLE
from local.page.form import fields, place_reader, record
from tests.chalicelib.test_exact import BEYOND
from tests.declarations import FILES
from tests.declaring import table


class Reading(Struct):
    id: str
    level: Annotated[int, Meta(description="How high.")]
    tags: list[str] | UnsetType = UNSET
    note: Annotated[str, Meta(description="Free.")] | UnsetType = UNSET


FIELDS = fields(table(Reading).shapes[0])


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
    assert {"siteId", "createdAtTime"} < {field.name for field in fields(TABLE.shapes[0])}


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


ANYTHING = Table(key=(Key("hash", "B"),))


def test_where_no_kind_is_declared_the_form_takes_any_members() -> None:
    form_fields = fields(ANYTHING.shapes[0])
    assert [(field.name, field.members) for field in form_fields] == [
        ("hash", False),
        ("beside hash", True),
    ]
    form = {"hash": "aGk=", "beside hash": '{"a": 1.10, "hash-tag": []}'}
    assert record(form, form_fields) == {"hash": "aGk=", "a": Decimal("1.10"), "hash-tag": []}
    with pytest.raises(ValueError, match="beside hash must be a JSON object"):
        record({"hash": "aGk=", "beside hash": "[1]"}, form_fields)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_place_of_a_stored_record_is_that_of_its_line(file: Path) -> None:
    declaration = load(file)
    place = place_reader(declaration)
    for example in declaration.examples:
        key, folder = place(example)
        assert key == tuple(str(example[name]) for name in declaration.key_names)
        assert folder.startswith("data/")
        levels = [level.partition("=")[0] for level in folder.split("/")[1:-1]]
        assert levels == [level.name for level in declaration.levels]


def test_the_place_of_a_record_without_declared_times_is_that_of_now() -> None:
    key, folder = place_reader(ANYTHING)({"hash": "aGk=", "any": [1]})
    assert key == ("aGk=",)
    assert folder.startswith(f"data/year={datetime.now(UTC).year}/")
