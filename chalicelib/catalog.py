"""The lake as tables: the columns of a line, and the folders that queries are pruned by.

Pure names and texts. `infrastructure.catalog` makes Glue tables of them.
"""

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from msgspec import Struct, inspect

from chalicelib.change import CHANGE_FIELDS
from chalicelib.partitions import TIME_FORMATS, encode_value, path
from chalicelib.schema import LAYOUT, SITE, Record
from chalicelib.types import struct_fields

CHANGES = "changes"
ALL_CHANGES = "all_changes"

_CHANGE_TYPES = {"changedAt": "bigint", "expired": "boolean"}

_WITHIN_A_DAY = ("hour", "minute")

_TIME_RANGES = {"month": "1,12", "day": "1,31"}


class Column(NamedTuple):
    """A column of the tables."""

    name: str
    """Lower-case: Athena knows no other."""
    type: str
    key: str
    """The field of the line, as the line spells it."""
    comment: str


def columns(record_type: type[Struct] = Record) -> tuple[Column, ...]:
    """The columns of a line, in its order.

    Whole numbers of 64 bits are `bigint`. All that no type of Athena's holds exactly is `string`
    with its JSON text: decimals, whose 38 digits may stand anywhere around the point, lists, maps
    and sets. Raises TypeError for two fields that differ in case alone.
    """
    record = [
        Column(field.name.lower(), _type(field.type), field.name, _description(field.type))
        for field in struct_fields(record_type)
    ]
    change = [
        Column(name.lower(), _CHANGE_TYPES.get(name, "string"), name, description)
        for name, description in CHANGE_FIELDS.items()
    ]
    found: dict[str, Column] = {}
    for column in record + change:
        if column.name in found:
            raise TypeError(
                f"{found[column.name].key} and {column.key} would be one column; "
                "Athena knows lower-case names alone, so rename one of them"
            )
        found[column.name] = column
    return tuple(found.values())


def partition_levels(layout: Sequence[str] = LAYOUT) -> tuple[str, ...]:
    """The levels that are partitions of `changes`: those before the hour.

    What lies deeper is read within them, so that planning a query stays small.
    """
    return tuple(takewhile(lambda level: level not in _WITHIN_A_DAY, layout))


def partition_column(level: str) -> str:
    """The column of a level: its own name for a time; a field's is a data column already."""
    return level if level in TIME_FORMATS else f"{level.lower()}_partition"


def partition_columns(
    layout: Sequence[str] = LAYOUT, record_type: type[Struct] = Record
) -> tuple[Column, ...]:
    """The partition columns of `changes`, outermost first.

    Raises TypeError when the record has a field of such a name.
    """
    found = tuple(
        Column(partition_column(level), "int", level, f"The {level} of the event time, UTC.")
        if level in TIME_FORMATS
        else Column(
            partition_column(level), "string", level, f"{level}, percent-encoded as in the path."
        )
        for level in partition_levels(layout)
    )
    taken = {each.name for each in columns(record_type)} & {each.name for each in found}
    if taken:
        raise TypeError(
            f"{', '.join(sorted(taken))} is a field of the record and a partition of the lake; "
            "rename the field or take the level out of the layout"
        )
    return found


def location(layout: Sequence[str] = LAYOUT) -> str:
    """The folder of one projected partition, with `${column}` for each value."""
    return path({level: f"${{{partition_column(level)}}}" for level in partition_levels(layout)})


def projection(
    layout: Sequence[str], sites: Sequence[str], years: tuple[int, int]
) -> dict[str, str]:
    """How Athena tells the partitions of `changes`: table parameters, the template aside.

    The site's values are the given ones; without any, and for other fields, each query must name
    them (https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html).
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
    """How the OpenX SerDe finds the key of each column
    (https://docs.aws.amazon.com/athena/latest/ug/openx-json-serde.html)."""
    return {"case.insensitive": "FALSE"} | {
        f"mapping.{name}": key for name, key in renamed_keys(record_type).items()
    }


def renamed_keys(record_type: type[Struct] = Record) -> dict[str, str]:
    """The key of each column that is not named as its key."""
    return {column.name: column.key for column in columns(record_type) if column.name != column.key}


def json_text_keys(record_type: type[Struct] = Record) -> tuple[str, ...]:
    """The keys of the `string` columns that hold JSON text: those whose values are no text."""
    return tuple(
        field.name
        for field in struct_fields(record_type)
        if _type(field.type) == "string" and not _is_text(field.type)
    )


def _is_text(info: inspect.Type) -> bool:
    match info:
        case inspect.Metadata(type=inner):
            return _is_text(inner)
        case inspect.UnionType(types=types):
            return any(map(_is_text, types))
    return isinstance(info, inspect.StrType | inspect.BytesType)


def _type(info: inspect.Type) -> str:
    match info:
        case inspect.Metadata(type=inner):
            return _type(inner)
        case inspect.UnionType(types=types):
            (inner,) = (each for each in types if not isinstance(each, inspect.NoneType))
            return _type(inner)
        case inspect.BoolType():
            return "boolean"
        # msgspec has no bounds beyond 64 bits.
        case inspect.IntType(ge=int(), le=int()):
            return "bigint"
    return "string"


def _description(info: inspect.Type) -> str:
    found = info.extra_json_schema if isinstance(info, inspect.Metadata) else None
    return str((found or {}).get("description", ""))
