"""Lines of the lake as rows of Arrow, and the last row of each key."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from zlib import crc32

import msgspec
from msgspec import Struct

from chalicelib.catalog import Column, sql_name
from chalicelib.compacted import BUCKET, BUCKETS, CHANGED, HAPPENED
from chalicelib.declaration import Table

if TYPE_CHECKING:
    import pyarrow as pa

_TYPES: dict[str, Any] = {"string": str | None, "boolean": bool | None, "bigint": int | None}

SEQUENCE = "changesequence"
EVENT_ID = "eventid"


def row_reader(table: Table, declared: Sequence[Column]) -> Callable[[Sequence[bytes]], "pa.Table"]:
    """Return a function from lines to their rows, with the columns of a line and its times.

    A value of another type than its column of text, as older lines may have, is its JSON.
    """
    import pyarrow as pa

    of_line = [each for each in declared if each.key]
    members = [f"m{index}" for index in range(len(of_line))]
    line: type[Struct] = msgspec.defstruct(
        "Line",
        [(m, _TYPES[each.type], None) for m, each in zip(members, of_line, strict=True)],
        rename={m: each.key for m, each in zip(members, of_line, strict=True)},
        gc=False,
    )
    decode = msgspec.json.Decoder(line).decode
    decode_any = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    types = {"string": pa.string(), "boolean": pa.bool_(), "bigint": pa.int64()}
    places = {each.name: place for place, each in enumerate(of_line)}
    times = {CHANGED: places["changedat"], HAPPENED: places[sql_name(table.time_line_name)]}

    def values(text: bytes) -> tuple[Any, ...]:
        try:
            return msgspec.structs.astuple(decode(text))
        except msgspec.ValidationError:
            content = decode_any(text)
            return tuple(_value(each, content.get(each.key)) for each in of_line)

    def rows(lines: Sequence[bytes]) -> "pa.Table":
        by_column = list(zip(*map(values, lines), strict=True)) or [()] * len(of_line)
        arrays = {
            each.name: pa.array(content, types[each.type])
            for each, content in zip(of_line, by_column, strict=True)
        }
        for name, place in times.items():
            epoch = pa.array(by_column[place], pa.int64())
            arrays[name] = epoch.cast(pa.timestamp("ms", "UTC")).cast(pa.timestamp("us", "UTC"))
        return pa.table(arrays)

    return rows


def _value(column: Column, raw: msgspec.Raw | None) -> Any:
    """Return the value of a column. Raises ValidationError for one that its type cannot hold."""
    if raw is None or bytes(raw) == b"null":
        return None
    try:
        return msgspec.json.decode(raw, type=_TYPES[column.type])
    except msgspec.ValidationError:
        if column.type != "string":
            raise
        return bytes(raw).decode()


def last_of_each(rows: "pa.Table", keys: Sequence[str]) -> "pa.Table":
    """Return the row of each key with the greatest sequence, in the order of the keys."""
    import pyarrow.compute as pc

    order = [*((name, "ascending") for name in keys), (SEQUENCE, "descending")]
    places = pc.sort_indices(rows.select([*keys, SEQUENCE]), sort_keys=order)
    numbered = rows.select(keys).take(places).append_column("row", places)
    first = numbered.group_by(list(keys), use_threads=False).aggregate([("row", "first")])
    return rows.take(first["row_first"])


def with_bucket(rows: "pa.Table", keys: Sequence[str]) -> "pa.Table":
    """Return the rows with the partition of `current` that each belongs to."""
    import pyarrow as pa

    texts = zip(*(rows[name].to_pylist() for name in keys), strict=True)
    buckets = [crc32("\0".join(map(str, key)).encode()) % BUCKETS for key in texts]
    return rows.append_column(BUCKET, pa.array(buckets, pa.int32()))
