"""Writes the documents that derive from the code. `python -m docs.generate --check` finds drift."""

import sys
from pathlib import Path

from msgspec import NODEFAULT, Struct, inspect

from chalicelib.change import CHANGE_FIELDS
from chalicelib.partitions import VALUE_LENGTH_MAX, firehose_error_prefix, firehose_prefix, path
from chalicelib.readers import struct_fields
from chalicelib.schema import EVENT_TIME, LAYOUT, Record

RECORD_PAGE = Path(__file__).parent / "record.md"

_TYPE_NAMES = {
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
}


def _described(field: inspect.Field) -> tuple[str, str]:
    """A field's type in words, and its description from the schema."""
    info, description = field.type, ""
    while isinstance(info, inspect.Metadata):
        description = (info.extra_json_schema or {}).get("description", description)
        info = info.type
    return _TYPE_NAMES[type(info)], description


def record_table(record_type: type[Struct] = Record) -> str:
    """The record's fields as a Markdown table: name, type, whether it must be given, meaning."""
    rows = ["| field | type | must be given | meaning |", "|---|---|---|---|"]
    for field in struct_fields(record_type):
        kind, description = _described(field)
        needed = "yes" if field.required and field.default is NODEFAULT else "no"
        rows.append(f"| `{field.name}` | {kind} | {needed} | {description} |")
    return "\n".join(rows)


def record_page() -> str:
    """The page about the record, its line in the lake and its partition."""
    change_rows = "\n".join(f"| `{name}` | {text} |" for name, text in CHANGE_FIELDS.items())
    example = {
        "siteId": "2",
        "year": "2023",
        "month": "11",
        "day": "15",
        "hour": "19",
        "minute": "29",
    }
    return f"""# The record

This page is generated from `chalicelib/schema.py` by `make docs`. To change the record or the
layout, edit that file and run `make docs` again.

## Fields

{record_table()}

## A line of the lake

Each object in S3 is gzip. It holds one JSON object a line. A line has the record's fields, and
these of the change:

| field | meaning |
|---|---|
{change_rows}

## Partitions

The layout is `{" / ".join(LAYOUT)}`. Time levels are parts of `{EVENT_TIME}` in UTC, padded with
zeros. The two samples of the README lie in folders like this one:

```
{path({level: example[level] for level in LAYOUT})}
```

A text level is percent-encoded, except for letters, digits and `-._~`. So `../../x` becomes
`..%2F..%2Fx` and stays one level. A value that is empty, or longer than {VALUE_LENGTH_MAX}
characters once encoded, is refused: by the API with an error, and in the transform by failing that
one record, which then lies under `errors/` with its original bytes.

Firehose gets these prefixes:

```
{firehose_prefix()}
{firehose_error_prefix()}
```
"""


def main() -> None:
    """Write the pages, or with `--check` exit 1 when one is stale."""
    page = record_page()
    if "--check" not in sys.argv[1:]:
        RECORD_PAGE.write_text(page)
    elif not RECORD_PAGE.exists() or RECORD_PAGE.read_text() != page:
        sys.exit(f"{RECORD_PAGE.name} does not match the code; run `make docs` and commit it")


if __name__ == "__main__":
    main()
