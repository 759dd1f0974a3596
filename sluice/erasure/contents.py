"""The contents of objects without the changes of some keys.

What a place of the bucket holds decides how: lines of the lake, Firehose's error lines, events of
the feed, or results of queries.
"""

from binascii import b2a_base64
from collections.abc import Callable, Sequence
from io import BytesIO
from itertools import compress
from typing import Any, NamedTuple

import msgspec

from sluice.erasure.changes import KeyChange, Keys, records_of
from sluice.lake import is_parquet, lines_of
from sluice.optional import optional
from sluice.recovery.error_lines import read_line
from sluice.recovery.feed_failures import erase_from

Goes = Callable[[KeyChange], bool]
"""Whether a change is to be erased."""


class Filtered(NamedTuple):
    """A content without what goes."""

    content: bytes | None
    """Unzipped; None when nothing is left."""
    removed: list[KeyChange]
    """The changes that went, one for each time that they were there."""


Filter = Callable[[bytes, Keys, Goes], Filtered]


def of_data(body: bytes, keys: Keys, goes: Goes) -> Filtered:
    """Return an object of the lake without what goes. Raises ValueError for one that is damaged."""
    lines = lines_of(body, keys.table)
    stays, removed = _judged(lines, keys, goes)
    if not any(stays):
        return Filtered(None, removed)
    if removed:
        if is_parquet(body):
            return Filtered(_parquet_rows(body, stays), removed)
        body = b"".join(line + b"\n" for line in compress(lines, stays))
    return Filtered(body, removed)


def of_failures(body: bytes, keys: Keys, goes: Goes) -> Filtered:
    """Return an object of what could not be delivered without what goes."""
    removed: list[KeyChange] = []

    def is_gone(record: bytes) -> bool:
        change = keys.change(record)
        if change is None or not goes(change):
            return False
        removed.append(change)
        return True

    try:
        return Filtered(erase_from(body, is_gone), removed)
    except ValueError:
        return _error_lines(body, keys, goes)


def _error_lines(body: bytes, keys: Keys, goes: Goes) -> Filtered:
    """Return an error object without what goes.

    The lines keep their numbers, by which a replay notes what it has put: one that goes is empty.
    """
    lines = []
    removed: list[KeyChange] = []
    for line in body.split(b"\n"):
        rest, gone = _error_line(line, keys, goes) if line.strip() else (line, [])
        lines.append(rest)
        removed += gone
    return Filtered(b"\n".join(lines) if any(map(bytes.strip, lines)) else None, removed)


def of_results(body: bytes, keys: Keys, goes: Goes) -> Filtered:
    """Return nothing of a query's result that mentions a key: it can be asked for again."""
    text = b"\n".join(lines_of(body, keys.table)) if is_parquet(body) else body
    removed = list(filter(goes, keys.mentioned(text)))
    return Filtered(None if removed else body, removed)


def _judged(pieces: Sequence[bytes], keys: Keys, goes: Goes) -> tuple[list[bool], list[KeyChange]]:
    """Return which pieces stay, and the changes that go."""
    changes = [keys.change(piece) for piece in pieces]
    stays = [change is None or not goes(change) for change in changes]
    gone = (change for change, stay in zip(changes, stays, strict=True) if change and not stay)
    return stays, list(gone)


def _error_line(line: bytes, keys: Keys, goes: Goes) -> tuple[bytes, list[KeyChange]]:
    payload = read_line(0, line).payload
    if payload is None:
        removed = [change for change in keys.quoted(line) if goes(change)]
        return (b"" if removed else line), removed
    pieces = records_of(payload)
    stays, removed = _judged(pieces, keys, goes)
    if not removed:
        return line, []
    rest = b"\n".join(compress(pieces, stays))
    if not rest.strip():
        return b"", removed
    document = msgspec.json.decode(line, type=dict[str, Any])
    (raw,) = (name for name in document if name.casefold() == "rawdata")
    document[raw] = b2a_base64(rest, newline=False).decode()
    return msgspec.json.encode(document), removed


def _parquet_rows(body: bytes, stays: list[bool]) -> bytes:
    arrow = optional("pyarrow", "rewriting Parquet")
    parquet = optional("pyarrow.parquet", "rewriting Parquet")
    rows = parquet.read_table(BytesIO(body))
    for place, column in enumerate(rows.schema):
        if arrow.types.is_dictionary(column.type):
            # A dictionary would keep the values of the rows that go.
            rows = rows.set_column(place, column.name, rows[place].cast(column.type.value_type))
    written = BytesIO()
    parquet.write_table(rows.filter(arrow.array(stays)), written)
    return written.getvalue()
