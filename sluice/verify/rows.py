"""Items of the table, and rows of the catalog's tables, in the form in which they are compared.

A column does not distinguish an attribute that is NULL from one that is absent, nor does a digest.
What the declaration keeps out of the lake is not compared: protected fields, and undeclared
attributes or whole items that are dropped.
"""

from collections.abc import Callable, Sequence, Set
from decimal import Context
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from chalicelib.attributes import converted
from chalicelib.catalog import columns, key_columns
from chalicelib.declaration import KIND, Table
from chalicelib.keys import Texts, texts_of
from sluice.items import Item, item_writer
from sluice.query.athena import Row

Digest = bytes

_EXACT = Context(prec=40)

_encode = msgspec.json.Encoder(order="sorted").encode


class State(NamedTuple):
    """What of an item is compared."""

    group: str | None
    """The value by which reports are grouped; None for an item that has none."""
    digest: Digest


class States:
    """Reads the states of a table's items."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._write = item_writer(table)
        self._keys = {column.name: column.key for column in columns(table)}
        self._key_columns = key_columns(table)

    def of_item(self, item: Item) -> State | None:
        """Return the state of an item; None if items of its kind are kept out of the lake."""
        return self._state(self._table.kind_of(item), item)

    def _state(self, kind: str, item: Item) -> State | None:
        shape = self._table.shape(kind)
        names = item.keys() - self._table.protect.keys()
        if shape.undeclared == "drop":
            if not shape.is_declared:
                return None
            names &= shape.fields.keys()
        return State(self._group(kind, item), digest(item, names))

    def row_reader(self, names: Sequence[str]) -> Callable[[Row], State | None]:
        """Return a function from a row with these columns to the state of its item.

        It ignores other columns, and raises whatever reading a line raises that is not as declared.
        """
        keys = [self._keys.get(name) for name in names]
        has_kinds = self._table.told_by is not None

        def read(row: Row) -> State | None:
            line = {
                key: value
                for key, value in zip(keys, row, strict=True)
                if key is not None and value is not None
            }
            return self._state(line.get(KIND, "") if has_kinds else "", self._write(line))

        return read

    def row_key_reader(self, names: Sequence[str]) -> Callable[[Row], Texts | None]:
        """Return a function from a row with these columns to its key, None if a part is missing.

        It raises ArithmeticError for a number that is none.
        """
        places = [names.index(name) for name in self._key_columns]
        key = self._table.key

        def read(row: Row) -> Texts | None:
            values = [row[place] for place in places]
            if None in values:
                return None
            attributes = zip(key, values, strict=True)
            return texts_of(
                self._table, {each.name: {each.type: str(value)} for each, value in attributes}
            )

        return read

    def _group(self, kind: str, item: Item) -> str | None:
        level = self._table.group
        if level is None:
            return None
        if level.attribute is None:
            return kind
        ((_, content),) = item.get(level.attribute, {"NULL": None}).items()
        return str(content).lower() if isinstance(content, bool) else content


def digest(item: Item, names: Set[str] | None = None) -> Digest:
    """Return a digest that is equal for equal items, of the attributes of these names if given."""
    content = {
        name: converted(value, _COMPARABLE)
        for name, value in item.items()
        if "NULL" not in value and (names is None or name in names)
    }
    return blake2b(_encode(content), digest_size=16).digest()


def _comparable_number(text: str) -> str:
    return str(_EXACT.create_decimal(text).normalize(_EXACT))


_COMPARABLE: dict[str, Callable[[Any], Any]] = {
    "N": _comparable_number,
    "NS": lambda members: sorted(map(_comparable_number, members)),
    "SS": sorted,
    "BS": sorted,
}
