"""Declarations for tests: the worked ones of `tables/`, and items of them."""

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from chalicelib.attributes import attribute
from chalicelib.declaration import RecordShape, Table
from sluice.items import Item
from sluice.synthesis import Synthesis

FILES = sorted((Path(__file__).parents[1] / "tables").glob("*.py"))
"""The worked declarations."""


def items_of(table: Table, count: int, chance: Random) -> list[Item]:
    """Return items of a table, of every kind in turn."""
    records = Synthesis(table, chance, groups=5, minutes=30).records(count)
    return [item_of(table.shape(kind), record) for kind, record in records]


def item_of(shape: RecordShape, record: Mapping[str, Any]) -> Item:
    """Return the item of a record that is given as the API's JSON has it."""
    return {
        name: shape.fields[name].type.attribute(value) if name in shape.fields else attribute(value)
        for name, value in record.items()
    }
