"""The place of a record in the lake: partition values, and the S3 prefixes with them.

A time level is a zero-padded part of the event time in UTC, so that text order is time order. A
field level is the field's text, percent-encoded (RFC 3986) except for letters, digits and `-._~`,
so that no value can add a level to the path.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any
from urllib.parse import quote

from msgspec import UNSET

from chalicelib.declaration import (
    EPOCH_MS_MAX,
    KIND,
    TIME_FORMATS,
    VALUE_LENGTH_MAX,
    Table,
    is_missing,
)
from chalicelib.errors import PartitionError
from chalicelib.lines import LineType, line_member, line_types
from chalicelib.times import PLAUSIBLE_MS, Notice, epoch_ms, ignore, likely_unit

DATA_PREFIX = "data/"
ERROR_PREFIX = "errors/"
FEED_FAILURES = "aws/lambda/"
"""Prefix of the batches that the feed function gave up. Lambda chooses it, and takes no other
(https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html)."""

FEED_KEPT = f"{FEED_FAILURES}feed/"
"""Prefix of those that the function wrote itself: a change each, which Firehose can never take."""

REPLAYED_PREFIX = "errors-replayed/"
"""Prefix of the error objects, and of the failed batches, whose records were all put back."""

RESULT_PREFIX = "query-results/"
"""Prefix of the results of queries."""

UNKNOWN_VALUE = "__HIVE_DEFAULT_PARTITION__"
"""The value of a field's level for records of no declared kind, which have no such field."""

_MINUTES = tuple(TIME_FORMATS["minute"].format(minute) for minute in range(60))


def encode_value(field: str, value: Any, length: int = VALUE_LENGTH_MAX) -> str:
    """Return the partition value of a field's scalar, at most `length` characters.

    Raises PartitionError if it is missing, empty, or too long.
    """
    if is_missing(value):
        raise PartitionError(field, "is missing")
    match value:
        case str():
            text = value
        case bool():
            text = "true" if value else "false"
        case Decimal():
            # Equal numbers have one partition, however they are spelled.
            text = str(value.normalize())
        case _:
            text = str(value)
    if not text:
        raise PartitionError(field, "must not be empty")
    encoded = quote(text, safe="")
    if len(encoded) > length:
        raise PartitionError(
            field,
            f"must have at most {length} characters once percent-encoded, and has {len(encoded)}",
        )
    return encoded


def partitioner(table: Table, notice: Notice = ignore) -> Callable[[Any], dict[str, str]]:
    """Return a function from a line to its partition keys: the table's levels, in order.

    `notice` hears of the field whose time looks like another unit's. The function raises
    PartitionError for a field that is missing or cannot name a partition.
    """
    by_type = {line.type: _line_partitioner(table, line, notice) for line in line_types(table)}
    if len(by_type) == 1:
        (only,) = by_type.values()
        return only
    return lambda line: by_type[line.__class__](line)


def _line_partitioner(
    table: Table, line: LineType, notice: Notice
) -> Callable[[Any], dict[str, str]]:
    levels = [level.name for level in table.levels]
    members = {field.name: line_member(field) for field in line.fields}
    fields = [
        (level.name, members[level.attribute], _encoder(level.attribute, level.length))
        for level in table.levels
        if level.attribute in members
    ]
    unknown = {
        level.name: UNKNOWN_VALUE
        for level in table.levels
        if level.attribute is not None and level.attribute not in members
    }
    fixed = unknown | ({KIND: line.shape.kind} if table.told_by else {})
    times = [level.name for level in table.levels if level.is_time]
    has_minutes = "minute" in times
    in_order = [*fixed, *(name for name, *_ in fields), *times] == levels
    event_time = event_time_of(table, notice)

    @lru_cache(maxsize=8192)
    def values_of_hour(hours: int) -> dict[str, str]:
        moment = datetime.fromtimestamp(hours * 3600, UTC)
        return {level: TIME_FORMATS[level].format(getattr(moment, level)) for level in times}

    def keys(line: Any) -> dict[str, str]:
        values = fixed.copy()
        for name, member, encode in fields:
            values[name] = encode(getattr(line, member))
        if times:
            minutes = event_time(line) // 60_000
            values.update(values_of_hour(minutes // 60))
            if has_minutes:
                values["minute"] = _MINUTES[minutes % 60]
        return values if in_order else {level: values[level] for level in levels}

    return keys


def _encoder(field: str, length: int) -> Callable[[Any], str]:
    """Return `encode_value` for a field, which remembers the values that come again and again."""
    return lru_cache(maxsize=8192)(lambda value: encode_value(field, value, length))


def event_time_of(table: Table, notice: Notice = ignore) -> Callable[[Any], int]:
    """Return a function from a line to its event time in epoch milliseconds.

    It raises PartitionError if it is missing, or outside the years 1970-9999.
    """
    field = table.time_field
    if field is None:
        return attrgetter(table.time_line_name)
    name, member, (time,) = field.name, line_member(field), table.times
    first = PLAUSIBLE_MS[0]

    def event_time(line: Any) -> int:
        value = getattr(line, member)
        if value is None or value is UNSET:
            raise PartitionError(name, "is missing")
        if not first <= value <= EPOCH_MS_MAX:
            try:
                epoch_ms(time, value)
            except ValueError as broken:
                raise PartitionError(name, str(broken)) from None
            if likely_unit(time, value):
                notice(name)
        return int(value)

    return event_time


def path(keys: Mapping[str, str]) -> str:
    """Return the folder of a partition: `data/region=NL/year=2023/.../`."""
    return DATA_PREFIX + "".join(f"{level}={value}/" for level, value in keys.items())


def firehose_prefix(table: Table) -> str:
    """Return the delivery stream's S3 prefix, which evaluates to `path(keys)`."""
    return path({level.name: f"!{{partitionKeyFromLambda:{level.name}}}" for level in table.levels})


def firehose_error_prefix() -> str:
    """Return the delivery stream's error prefix: by kind of error and day of arrival."""
    return ERROR_PREFIX + "!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd}/"
