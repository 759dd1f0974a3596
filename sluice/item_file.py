"""Items in a file of DynamoDB JSON: one a line, as an export has them, or the answer of a scan."""

import gzip
import re
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


class _Scan(msgspec.Struct):
    """What `aws dynamodb scan` prints, on many lines."""

    Items: list[msgspec.Raw]


_SCAN = re.compile(rb'\s*\{\s*"(Items|Count|ScannedCount)"\s*:\s*[\[0-9]')
_SCAN_OPENING = 100
"""Bytes of a file that show whether it is the answer of a scan."""


def read_items(path: Path) -> Iterator[Item]:
    """Yield the items of a file, gzipped or not, in which blank lines mean nothing.

    A line is an item, `{"pk": {"S": "..."}}`, or a line of an export, `{"Item": {...}}`. The file
    may also be what `aws dynamodb scan` prints. Raises OperationError with the line that is none
    of these.
    """
    number = 0
    try:
        with path.open("rb") as file:
            is_gzip = file.read(len(_GZIP)) == _GZIP
        with gzip.open(path) if is_gzip else path.open("rb") as lines:
            is_scan = _SCAN.match(lines.read(_SCAN_OPENING))
            lines.seek(0)
            for line in msgspec.json.decode(lines.read(), type=_Scan).Items if is_scan else lines:
                number += 1
                if (item := bytes(line)).strip():
                    yield _item(item)
    except (OSError, EOFError, zlib.error) as error:
        raise OperationError(f"{path} cannot be read after line {number}: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        where = f", {'item' if is_scan else 'line'} {number}" if number else ""
        raise OperationError(
            f'{path}{where} is not an item in DynamoDB JSON: write {{"pk": {{"S": "..."}}}}'
            ", the lines of a full export, or what `aws dynamodb scan` prints"
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
