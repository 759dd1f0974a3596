"""The form that posts a record, with the declared fields; its values go out as typed in."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.inspect import IntType, StrType

from chalicelib.attributes import item
from chalicelib.change import change_reader
from chalicelib.declaration import RecordShape, Table
from chalicelib.exact import read_value
from chalicelib.keys import texts_of
from chalicelib.partitions import partitioner, path
from chalicelib.validation import Validator
from sluice.event import as_event, render

_encode = msgspec.json.Encoder(decimal_format="number").encode


class FormField(Struct, frozen=True):
    """One field of the form. `text`: its value is taken as it is typed in."""

    name: str
    help: str
    required: bool
    text: bool = False
    whole_number: bool = False
    members: bool = False
    """Whether its value is an object, whose members are attributes beside the fields."""


def fields(shape: RecordShape) -> tuple[FormField, ...]:
    """Return the form's fields for a kind of record, in its order."""
    declared = tuple(
        FormField(
            field.name,
            field.type.description,
            field.required,
            isinstance(field.type.info, StrType),
            isinstance(field.type.info, IntType),
        )
        for field in shape.fields.values()
    )
    if shape.is_declared:
        return declared
    # Longer than the names of the key, so that it is none of them.
    name = f"beside {' and '.join(shape.fields)}"
    return (
        *declared,
        FormField(name, "All other attributes, as a JSON object.", False, members=True),
    )


def record(form: Mapping[str, str], form_fields: Sequence[FormField]) -> dict[str, Any]:
    """Return the record of a filled-in form; empty fields are left out.

    A value that is not JSON where no text is wanted goes out as text: the API names the mistake.
    Raises ValueError for members that are no object.
    """
    values: dict[str, Any] = {}
    for field in form_fields:
        text = form.get(field.name, "")
        if not text:
            continue
        value = text if field.text else _json_or_text(text)
        if not field.members:
            values[field.name] = value
        elif isinstance(value, dict):
            values |= value
        else:
            raise ValueError(f"What is {field.name} must be a JSON object.")
    return values


def place_reader(table: Table) -> Callable[[Any], tuple[tuple[str, ...], str]]:
    """Return a function from a stored record to its key, and to the folder its line will lie in."""
    validator = Validator(table)
    # No partition is named by a protected field, so any text stands for a hash.
    read_change = change_reader(table, lambda _attribute: "")
    partition = partitioner(table)

    def place(stored: Any) -> tuple[tuple[str, ...], str]:
        image = item(validator.record(_encode(stored)))
        data = {
            "SequenceNumber": "1",
            "ApproximateCreationDateTime": datetime.now(UTC),
            "NewImage": image,
        }
        event = as_event({"eventID": "", "eventName": "INSERT", "dynamodb": data}, "")
        return texts_of(table, image), path(partition(read_change(render(event))))

    return place


def _json_or_text(value: str) -> Any:
    try:
        return read_value(value)
    except msgspec.DecodeError:
        return value
