"""The page about the declared records: their fields, their lines in the lake, their partitions."""

import os

from msgspec import inspect

from chalicelib.declaration import CHANGED, Field, RecordShape, Table
from chalicelib.declared import VARIABLE
from chalicelib.lines import change_fields
from chalicelib.partitions import firehose_error_prefix, firehose_prefix
from docs.markdown import markdown_table
from local.page.form import place_reader

_TYPE_NAMES: dict[type[inspect.Type], str] = {
    inspect.StrType: "text",
    inspect.IntType: "whole number",
    inspect.DecimalType: "number",
    inspect.BoolType: "true or false",
    inspect.BytesType: "binary (base64)",
    inspect.ListType: "list",
    inspect.DictType: "map",
    inspect.StructType: "map",
    inspect.SetType: "set",
    inspect.FrozenSetType: "set",
    inspect.AnyType: "any",
    inspect.NoneType: "null",
}


def record_page(table: Table) -> str:
    """Return the page about a table's records."""
    of_change = [(f"`{name}`", each.description) for name, each in change_fields(table).items()]
    file = os.environ.get(VARIABLE, "chalicelib/schema.py")
    return f"""# The record

This page is generated from `{file}` by `make docs`. To change the record or the
layout, edit that file and run `make docs` again.

## Fields

{fields_section(table)}

The API describes the same, with every rule and limit, as an OpenAPI 3.1 document at
`GET /openapi.json`. Like the whole API it is for callers that IAM admits.

## A line of the lake

Each object in S3 is gzip, or by a setting [Parquet](parquet.md). It holds one JSON object a line.
A line has the record's fields, and these of the change:

{markdown_table(("field", "meaning"), of_change)}

## Partitions

{_partitions_section(table)}

Firehose gets these prefixes:

```
{firehose_prefix(table)}
{firehose_error_prefix()}
```
"""


def fields_section(table: Table) -> str:
    """Return the fields of each kind of record as Markdown tables."""
    if not table.told_by:
        return _fields_table(table, table.shapes[0])
    parts = []
    for shape in table.shapes:
        title = f"### Of the kind `{shape.kind}`" if shape.is_declared else "### Of other items"
        parts.append(f"{title}\n\n{_fields_table(table, shape)}")
    return "\n\n".join(parts)


def _fields_table(table: Table, shape: RecordShape) -> str:
    rows = [
        (
            f"`{field.name}`",
            _type_name(field.type.info) + (", or null" if "NULL" in field.type.kinds else ""),
            "yes" if field.required else "no",
            _meaning(table, field),
        )
        for field in shape.fields.values()
    ]
    return markdown_table(("field", "type", "must be given", "meaning"), rows)


def _meaning(table: Table, field: Field) -> str:
    """Return what a field is for, and what becomes of it in a line if that is not the same."""
    match table.protect.get(field.name):
        case "drop":
            in_line = "A line does not have it."
        case "hash":
            in_line = "A line has its hash."
        case _:
            in_line = "" if field.line == field.name else f"In a line: `{field.line}`."
    return f"{field.type.description} {in_line}".strip()


def _type_name(info: inspect.Type) -> str:
    match info:
        case inspect.Metadata(type=inner):
            return _type_name(inner)
        case inspect.UnionType(types=types):
            return " or ".join(map(_type_name, types))
    return _TYPE_NAMES[type(info)]


def _partitions_section(table: Table) -> str:
    paragraphs = [f"The layout is `{' / '.join(level.name for level in table.levels)}`."]
    if any(level.is_time for level in table.levels):
        times = ", else ".join(
            f"`{time.field}`" if time.field else "the time of the change" for time in table.times
        )
        paragraphs[0] += f" Time levels are parts of {times} in UTC, padded with\nzeros."
    if table.examples and table.times != (CHANGED,):
        _, folder = place_reader(table)(table.examples[0])
        place = "The first sample record (`sluice seed --samples`) lies in the folder"
        paragraphs.append(f"{place}\n\n```\n{folder}\n```")
    lengths = [str(level.length) for level in table.levels if level.attribute]
    if lengths:
        paragraphs.append(f"""\
A field's level is percent-encoded, except for letters, digits and `-._~`. So `../../x` becomes
`..%2F..%2Fx` and stays one level. A value that is empty, or longer than {" and ".join(lengths)}
characters once encoded, is refused: by the API with an error, and in the transform by failing that
one record, which then lies under `errors/` with its original bytes.""")
    return "\n\n".join(paragraphs)
