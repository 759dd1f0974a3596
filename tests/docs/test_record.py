"""The page about the records, of every worked declaration."""

from pathlib import Path
from typing import Annotated

import pytest
from msgspec import Meta, Struct

from chalicelib.declaration import Key, Kind, Table
from chalicelib.declared import load
from docs.record import fields_section, record_page
from tests.declarations import FILES


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_page_has_every_kind_field_and_level(file: Path) -> None:
    table = load(file)
    page = record_page(table)
    for shape in table.shapes:
        assert not shape.is_declared or f"kind `{shape.kind}`" in page or not table.told_by
        for name in shape.fields:
            assert f"| `{name}` |" in page
    assert f"`{' / '.join(level.name for level in table.levels)}`" in page
    assert ("sample record" in page) == bool(table.examples)


def test_a_field_that_a_line_has_otherwise_says_so() -> None:
    class Person(Struct):
        id: str
        kind: Annotated[int | str, Meta(description="Of person.", extra={"line": "sort"})]
        mail: str | None = None
        secret: str = ""

    table = Table(
        key=(Key("id"),),
        kinds=(Kind("person", Person),),
        protect={"mail": "hash", "secret": "drop"},
    )
    section = fields_section(table)
    assert "| `kind` | whole number or text | yes | Of person. In a line: `sort`. |" in section
    assert "| `mail` | text, or null | no | A line has its hash. |" in section
    assert "| `secret` | text | no | A line does not have it. |" in section
