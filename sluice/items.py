"""Lines of the lake back into DynamoDB items, exact to the digit.

The way back of `chalicelib.change`: only the schema says what a declared field's JSON stands for.
"""

from collections.abc import Callable
from typing import Any

from chalicelib.attributes import from_text
from chalicelib.declaration import KIND, Table
from chalicelib.exact import read_object
from chalicelib.lines import stored_fields
from chalicelib.types import line_value

Attribute = dict[str, Any]
"""A DynamoDB attribute: its content, by its type."""

Item = dict[str, Attribute]
"""A DynamoDB item as boto3's low-level client gives and takes it: binary values are bytes."""

Line = dict[str, Any]

read_line: Callable[[bytes], Line] = read_object
"""A line of the lake, its numbers exact: integers as int, all others as Decimal."""


def item_writer(table: Table) -> Callable[[Line], Item]:
    """Return a function from a line to the item in it, without what the lake must not hold.

    Declared fields are written by their types, `extra` as it is. A field that is null in the line
    is NULL in the item; one that the line lacks is absent. The function raises KeyError for a line
    of a kind that the table does not have.
    """
    fields = {shape.kind: stored_fields(table, shape) for shape in table.shapes}

    def write(line: Line) -> Item:
        declared = {
            field.name: field.type.attribute(line_value(field.type, line[field.line]))
            for field in fields[line.get(KIND, "") if table.told_by else ""]
            if field.line in line
        }
        return declared | (from_text(line["extra"]) if "extra" in line else {})

    return write
