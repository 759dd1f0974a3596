"""Writes the documents that derive from the code. `python -m docs.generate --check` finds drift."""

import ast
import dataclasses
import inspect
import itertools
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import msgspec
import msgspec.inspect as types
from msgspec import NODEFAULT, Struct

from chalicelib.declaration import VALUE_LENGTH_MAX
from chalicelib.lines import change_fields
from chalicelib.partitions import firehose_error_prefix, firehose_prefix, partitioner, path
from chalicelib.schema import EVENT_TIME, LAYOUT, TABLE, Record
from chalicelib.types import field_types, struct_fields
from docs.commands import command_tables
from docs.licences import licences_page
from docs.markdown import markdown_table
from docs.rights import operators_tables, rights_tables
from docs.scale import large_case, middle_case, small_case
from infrastructure.settings import PROJECT, DeploymentSettings

SETTINGS_PAGE = Path(__file__).parent / "settings.md"
SCALE_PAGE = Path(__file__).parent / "scale.md"
RECORD_PAGE = Path(__file__).parent / "record.md"
OPERATIONS_PAGE = Path(__file__).parent / "operations.md"
SECURITY_PAGE = Path(__file__).parent / "security.md"
LICENCES_PAGE = Path(__file__).parent / "licences.md"

_TYPE_NAMES = {
    types.StrType: "text",
    types.IntType: "whole number",
    types.DecimalType: "number",
    types.BoolType: "true or false",
    types.BytesType: "binary (base64)",
    types.ListType: "list",
    types.DictType: "map",
    types.StructType: "map",
    types.SetType: "set",
    types.FrozenSetType: "set",
}


def record_table(record_type: type[Struct] = Record) -> str:
    """The record's fields as a Markdown table: name, type, whether it must be given, meaning."""
    rows = []
    types = field_types(record_type)
    for field in struct_fields(record_type):
        declared = types[field.encode_name]
        kind, description = _TYPE_NAMES[type(declared.info)], declared.description
        needed = "yes" if field.required and field.default is NODEFAULT else "no"
        rows.append((f"`{field.name}`", kind, needed, description))
    return markdown_table(("field", "type", "must be given", "meaning"), rows)


def record_page() -> str:
    """The page about the record, its line in the lake and its partition."""
    of_change = [(f"`{name}`", each.description) for name, each in change_fields(TABLE).items()]
    example = partitioner(TABLE)(msgspec.convert(TABLE.examples[0], Record))
    return f"""# The record

This page is generated from `chalicelib/schema.py` by `make docs`. To change the record or the
layout, edit that file and run `make docs` again.

## Fields

{record_table()}

The API describes the same, with every rule and limit, as an OpenAPI 3.1 document at
`GET /openapi.json`. Like the whole API it is for callers that IAM admits.

## A line of the lake

Each object in S3 is gzip, or by a setting [Parquet](parquet.md). It holds one JSON object a line.
A line has the record's fields, and these of the change:

{markdown_table(("field", "meaning"), of_change)}

## Partitions

The layout is `{" / ".join(LAYOUT)}`. Time levels are parts of `{EVENT_TIME}` in UTC, padded with
zeros. The two sample records (`sluice seed --samples`) lie in folders like this one:

```
{path(example)}
```

A text level is percent-encoded, except for letters, digits and `-._~`. So `../../x` becomes
`..%2F..%2Fx` and stays one level. A value that is empty, or longer than {VALUE_LENGTH_MAX}
characters once encoded, is refused: by the API with an error, and in the transform by failing that
one record, which then lies under `errors/` with its original bytes.

Firehose gets these prefixes:

```
{firehose_prefix(TABLE)}
{firehose_error_prefix()}
```
"""


def settings_table() -> str:
    """The deployment's settings as a Markdown table: name, default, meaning."""
    described = attribute_docstrings(DeploymentSettings)
    rows = [
        (f"`{each.name}`", as_context(each.default), described[each.name])
        for each in dataclasses.fields(DeploymentSettings)
    ]
    return markdown_table(("setting", "default", "meaning"), rows)


def as_context(default: object) -> str:
    """A setting's default as one would pass it on the command line."""
    match default:
        case None | ():
            return "none"
        case Path():
            return f"`{default.relative_to(PROJECT)}`"
        case (int(), int()):
            return f"`{default[0]}-{default[1]}`"
        case tuple():
            return f"`{'/'.join(default)}`"
    return f"`{default}`"


def attribute_docstrings(cls: type) -> dict[str, str]:
    """The string that stands below each attribute of a class, on one line."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(tree, ast.ClassDef)  # noqa: S101
    return {
        before.target.id: " ".join(after.value.value.split())
        for before, after in itertools.pairwise(tree.body)
        if isinstance(before, ast.AnnAssign)
        and isinstance(before.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        and isinstance(after.value.value, str)
    }


def with_blocks(file: Path, blocks: Mapping[str, str]) -> str:
    """A page with its generated blocks renewed, each given by its name."""
    page = file.read_text()
    for name, content in blocks.items():
        start, end = f"<!-- {name}: generated by `make docs` -->\n", f"<!-- /{name} -->"
        before, _, rest = page.partition(start)
        _, _, after = rest.partition(end)
        page = f"{before}{start}\n{content}\n\n{end}{after}"
    return page


def pages() -> dict[Path, str]:
    """Every page that holds something generated, as it should be."""
    cases = {"small": small_case(), "middle": middle_case(), "large": large_case()}
    rights = {"rights": rights_tables(), "operators": operators_tables()}
    return {
        RECORD_PAGE: record_page(),
        LICENCES_PAGE: licences_page(),
        SECURITY_PAGE: with_blocks(SECURITY_PAGE, rights),
        SCALE_PAGE: with_blocks(SCALE_PAGE, cases),
        OPERATIONS_PAGE: with_blocks(OPERATIONS_PAGE, command_tables()),
        SETTINGS_PAGE: with_blocks(SETTINGS_PAGE, {"settings": settings_table()}),
    }


def main() -> None:
    """Write the pages, or with `--check` exit 1 when one is stale."""
    stale = {
        file: page
        for file, page in pages().items()
        if not file.exists() or file.read_text() != page
    }
    if "--check" in sys.argv[1:] and stale:
        names = ", ".join(file.name for file in stale)
        sys.exit(f"{names}: does not match the code; run `make docs` and commit it")
    for file, page in stale.items():
        file.write_text(page)


if __name__ == "__main__":
    main()
