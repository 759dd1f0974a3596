"""The lake as tables: the columns of a line, and the partitions that prune a query.

Only names and texts. `infrastructure.catalog` builds the Glue tables from them.
"""

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from msgspec import Struct

from chalicelib.declaration import TIME_FORMATS, record_fields
from chalicelib.lines import change_fields
from chalicelib.partitions import encode_value, path
from chalicelib.schema import LAYOUT, SITE, TABLE, Record
from chalicelib.types import FieldType

CHANGES = "changes"
ALL_CHANGES = "all_changes"
LINES = "lines"
"""The table with the text of each line: for the emulator, whose engine guesses types from JSON."""

_WITHIN_A_DAY = ("hour", "minute")

_TIME_RANGES = {"month": "1,12", "day": "1,31"}


class Column(NamedTuple):
    """A column of the tables."""

    name: str
    """Lower-case: Athena has no other names."""
    type: str
    key: str
    """The name of the field in the line."""
    comment: str


def columns(record_type: type[Struct] = Record) -> tuple[Column, ...]:
    """Return the columns of a line, in its order.

    Integers of 64 bits are `bigint`. A value that no type of Athena's holds exactly is `string`
    with its JSON text: decimals, whose 38 digits may stand anywhere around the point, lists, maps
    and sets. Raises TypeError for two fields that differ only in case.
    """
    keys: dict[str, str] = {}
    for key in _line_types(record_type):
        other = keys.setdefault(key.lower(), key)
        if other != key:
            raise TypeError(
                f"{other} and {key} would be one column, since Athena has only lower-case names; "
                "rename one of them"
            )
    return tuple(
        Column(key.lower(), declared.column, key, declared.description)
        for key, declared in _line_types(record_type).items()
    )


def _line_types(record_type: type[Struct]) -> dict[str, FieldType]:
    record = {field.line: field.type for field in record_fields(record_type).values()}
    change = change_fields(TABLE)
    if common := sorted(record.keys() & change.keys()):
        raise TypeError(
            f"a record's field must not be named {', '.join(common)}: a line has it already"
        )
    return record | change


def partition_levels(layout: Sequence[str] = LAYOUT) -> tuple[str, ...]:
    """Return the levels that are partitions of `changes`: those before the hour.

    Deeper levels are read within them, so that planning a query stays small.
    """
    return tuple(takewhile(lambda level: level not in _WITHIN_A_DAY, layout))


def partition_column(level: str) -> str:
    """Return the column of a level. A time level gives it its name; a field is a column already."""
    return level if level in TIME_FORMATS else f"{level.lower()}_partition"


def partition_columns(
    layout: Sequence[str] = LAYOUT, record_type: type[Struct] = Record
) -> tuple[Column, ...]:
    """Return the partition columns of `changes`, outermost first.

    Raises TypeError when the record has a field of such a name.
    """
    partitions = []
    for level in partition_levels(layout):
        kind, comment = "string", f"{level}, percent-encoded as in the path."
        if level in TIME_FORMATS:
            kind, comment = "int", f"The {level} of the event time, UTC."
        partitions.append(Column(partition_column(level), kind, level, comment))
    names = {column.name for column in columns(record_type)}
    taken = sorted(names & {partition.name for partition in partitions})
    if taken:
        raise TypeError(
            f"{', '.join(taken)} is a field of the record and a partition of the lake; "
            "rename the field or take the level out of the layout"
        )
    return tuple(partitions)


def location(layout: Sequence[str] = LAYOUT) -> str:
    """Return the folder of one projected partition, with `${column}` for each value."""
    return path({level: f"${{{partition_column(level)}}}" for level in partition_levels(layout)})


def projection(
    layout: Sequence[str], sites: Sequence[str], years: tuple[int, int]
) -> dict[str, str]:
    """Return the table parameters with which Athena projects the partitions of `changes`.

    `sites` are the site's values; without any, and for other fields, every query must name them (https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html).
    """
    properties = {"projection.enabled": "true"}
    for level in partition_levels(layout):
        name = f"projection.{partition_column(level)}"
        if level in TIME_FORMATS:
            properties |= {
                f"{name}.type": "integer",
                f"{name}.range": _TIME_RANGES.get(level, f"{years[0]},{years[1]}"),
                f"{name}.digits": str(len(TIME_FORMATS[level].format(0))),
            }
        elif sites and level == SITE:
            properties |= {
                f"{name}.type": "enum",
                f"{name}.values": ",".join(encode_value(level, site) for site in sites),
            }
        else:
            properties[f"{name}.type"] = "injected"
    return properties


def serde_mapping(record_type: type[Struct] = Record) -> dict[str, str]:
    """Return the parameters with which the OpenX SerDe maps columns to keys
    (https://docs.aws.amazon.com/athena/latest/ug/openx-json-serde.html)."""
    return {"case.insensitive": "FALSE"} | {
        f"mapping.{name}": key for name, key in renamed_keys(record_type).items()
    }


def renamed_keys(record_type: type[Struct] = Record) -> dict[str, str]:
    """Return the keys of the columns whose name differs from the key, by column."""
    return {column.name: column.key for column in columns(record_type) if column.name != column.key}
