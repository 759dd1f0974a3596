"""Items in a file of DynamoDB JSON: one a line, as `aws dynamodb scan` or an export has them."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from chalicelib.attributes import from_text
from sluice.errors import OperationError
from sluice.items import Item

TYPES = frozenset(("S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"))
"""The types that an attribute's value is given by."""

_GZIP = b"\x1f\x8b"

_read_object = msgspec.json.Decoder(dict[str, dict[str, msgspec.Raw]]).decode


def read_items(path: Path) -> Iterator[Item]:
    """Yield the items of a file, gzipped or not, in which blank lines mean nothing.

    A line is an item, `{"pk": {"S": "..."}}`, or a line of an export, `{"Item": {...}}`. Raises
    OperationError with the line that is neither.
    """
    number = 0
    try:
        with path.open("rb") as file:
            is_gzip = file.read(len(_GZIP)) == _GZIP
        with gzip.open(path) if is_gzip else path.open("rb") as lines:
            for line in lines:
                number += 1
                if line.strip():
                    yield _item(line)
    except (OSError, EOFError, zlib.error) as error:
        raise OperationError(f"{path} cannot be read after line {number}: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise OperationError(
            f'{path}, line {number} is not an item in DynamoDB JSON: write {{"pk": {{"S": "..."}}}}'
            ", or the lines of a full export"
        ) from None


def _item(line: bytes) -> Item:
    members = _read_object(line)
    # An attribute of the name Item would be the key, whose value is no object.
    if members.keys() == {"Item"} and all(raw[:1] == b"{" for raw in map(bytes, _inner(members))):
        line = msgspec.json.encode(members["Item"])
    item = from_text(line)
    if not item or not all(len(value) == 1 and value.keys() <= TYPES for value in item.values()):
        raise ValueError
    return item


def _inner(members: dict[str, dict[str, msgspec.Raw]]) -> Iterator[msgspec.Raw]:
    yield from members["Item"].values()
