"""Rows of the catalog's tables back into items, and the digests by which items are compared.

A column does not distinguish an attribute that is NULL from one that is absent, nor does a digest.
"""

from collections.abc import Callable, Sequence
from decimal import Context
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from chalicelib.attributes import converted
from chalicelib.catalog import columns
from chalicelib.declaration import Table
from chalicelib.schema import Record
from sluice.items import Item, item_writer
from sluice.query.athena import Row

Digest = bytes

_EXACT = Context(prec=40)

_encode = msgspec.json.Encoder(order="sorted").encode


def item_reader(names: Sequence[str], table: Table) -> Callable[[Row], Item]:
    """Return a function from a row with these columns to its item; it ignores other columns."""
    keys = {column.name: column.key for column in columns(table)}
    write = item_writer(table)

    def read(row: Row) -> Item:
        line = {}
        for name, value in zip(names, row, strict=True):
            key = keys.get(name)
            if key is not None and value is not None:
                line[key] = value
        return write(line)

    return read


def digest(item: Item, declared: frozenset[str] | None = None) -> Digest:
    """Return a digest that is equal for equal items, of the `declared` attributes if given."""
    content = {
        name: converted(value, _COMPARABLE)
        for name, value in item.items()
        if "NULL" not in value and (declared is None or name in declared)
    }
    return blake2b(_encode(content), digest_size=16).digest()


def declared_names(record_type: type[Struct] = Record) -> frozenset[str]:
    """Return the attributes that the schema declares."""
    return frozenset(record_type.__struct_fields__)


def _comparable_number(text: str) -> str:
    return str(_EXACT.create_decimal(text).normalize(_EXACT))


_COMPARABLE: dict[str, Callable[[Any], Any]] = {
    "N": _comparable_number,
    "NS": lambda members: sorted(map(_comparable_number, members)),
    "SS": sorted,
    "BS": sorted,
}
