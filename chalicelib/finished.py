"""Reads a line of the lake that comes to the transform once more.

AWS does not document for every failure behind a function which bytes it quarantines: what was put,
or the finished line, as a failed conversion holds it. A replay puts either.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
from msgspec import Raw

from chalicelib.change import TTL_PRINCIPAL, change_reader
from chalicelib.declaration import KIND, Field, Table
from chalicelib.errors import ChangeError, RecordError
from chalicelib.exact import read_object
from chalicelib.images import Hasher
from chalicelib.lines import line_fields, stored_fields
from chalicelib.times import Notice, ignore
from chalicelib.types import line_value

_decode_attributes = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def replayable_reader(
    table: Table, hasher: Hasher | None = None, notice: Notice = ignore
) -> Callable[[bytes], Any]:
    """Return `change_reader`'s function, which also reads a finished line into a line.

    A finished line is read as the change it was made of, by the schema and the settings of now. It
    is refused if it has a field that no line has, or if any of its values would come out as
    another: then it is a line of another schema, or of a stranger.
    """
    read_change = change_reader(table, hasher, notice)
    # Made when it is needed: few functions ever read a finished line.
    again_reader = cache(lambda: change_reader(table, notice=notice, is_protected=True))
    fields = {shape.kind: stored_fields(table, shape) for shape in table.shapes}
    names = {shape.kind: line_fields(table, shape).keys() for shape in table.shapes}

    def read(data: bytes) -> Any:
        try:
            return read_change(data)
        except RecordError:
            if (line := _finished(data)) is None:
                raise
        kind = line.get(KIND, "") if table.told_by else ""
        if kind not in names:
            raise ChangeError("is a line of a kind that the schema does not declare")
        if not line.keys() <= names[kind]:
            raise ChangeError("is a line with a field that the schema does not declare")
        try:
            values = {
                **line,
                **{
                    field.line: line_value(field.type, line[field.line])
                    for field in fields[kind]
                    if field.line in line
                },
            }
            again = again_reader()(_change(fields[kind], values))
            if again is None:
                return None
            written = read_object(_encode(again))
        except RecordError:
            raise
        except (msgspec.MsgspecError, LookupError, TypeError, ValueError, AttributeError) as broken:
            raise ChangeError(f"is not a line of the lake: {type(broken).__name__}") from None
        except (ArithmeticError, RecursionError):
            raise ChangeError("is not a line of the lake") from None
        for name, value in values.items():
            if name != "extra" and written.get(name, ...) != value:
                raise ChangeError(f"is a line whose {name} is not as the transform writes it")
        return again

    return read


def _finished(data: bytes) -> dict[str, Any] | None:
    """Return the members of a line; None for what has no changeSequence."""
    try:
        line = read_object(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return line if "changeSequence" in line else None


def _change(fields: Sequence[Field], line: Mapping[str, Any]) -> bytes:
    """Return the change that a line was made of, as the pipe passes it."""
    undeclared = _decode_attributes(line["extra"]) if "extra" in line else {}
    return _encode(
        {
            "eventID": line["eventId"],
            "eventName": line["changeType"],
            "dynamodb": {
                "SequenceNumber": line["changeSequence"],
                "ApproximateCreationDateTime": line["changedAt"] / 1000,
                "OldImage" if line["changeType"] == "REMOVE" else "NewImage": (
                    undeclared
                    | {
                        field.name: field.type.attribute(line[field.line])
                        for field in fields
                        if field.line in line
                    }
                ),
            },
            "userIdentity": {"principalId": TTL_PRINCIPAL} if line.get("expired") else None,
        }
    )
