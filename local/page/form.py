"""The form that posts a record: its fields come from the schema, its values go out as typed in."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.inspect import IntType, StrType

from chalicelib.exact import read_value
from chalicelib.schema import Record
from chalicelib.types import field_types, struct_fields


class Field(Struct, frozen=True):
    """One field of the record, for the form. `text`: its value is taken as it is typed in."""

    name: str
    help: str
    required: bool
    text: bool
    whole_number: bool


def fields(record_type: type[Struct] = Record) -> tuple[Field, ...]:
    """Return the fields of a record type, in its order."""
    types = field_types(record_type)
    return tuple(
        Field(
            field.name,
            types[field.name].description,
            field.required,
            isinstance(types[field.name].info, StrType),
            isinstance(types[field.name].info, IntType),
        )
        for field in struct_fields(record_type)
    )


def record(form: Mapping[str, str], record_fields: tuple[Field, ...]) -> dict[str, Any]:
    """Return the record of a filled-in form; empty fields are left out.

    A value that is not JSON where no text is wanted goes out as text: the API names the mistake.
    """
    return {
        field.name: value if field.text else _json_or_text(value)
        for field in record_fields
        if (value := form.get(field.name, ""))
    }


def _json_or_text(value: str) -> Any:
    try:
        return read_value(value)
    except msgspec.DecodeError:
        return value
