"""The place of a record in the lake: partition values, and the S3 prefixes with them.

A time level is a zero-padded part of the event time in UTC, so that text order is time order. A
field level is the field's text, percent-encoded (RFC 3986) except for letters, digits and `-._~`,
so that no value can add a level to the path.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from msgspec import UNSET, Struct, UnsetType

from chalicelib.declaration import TIME_FORMATS, VALUE_LENGTH_MAX
from chalicelib.errors import PartitionError
from chalicelib.limits import PREFIX_LENGTH_MAX
from chalicelib.schema import EPOCH_MS_MAX, EVENT_TIME, LAYOUT, Record
from chalicelib.types import field_types

DATA_PREFIX = "data/"
ERROR_PREFIX = "errors/"
REPLAYED_PREFIX = "errors-replayed/"
"""Prefix of the error objects whose records were all put back."""


@lru_cache(maxsize=8192)
def encode_value(field: str, text: str | UnsetType | None) -> str:
    """Return the partition value of a field's text.

    Raises PartitionError if it is missing, empty, or too long.
    """
    if text is None or text is UNSET:
        raise PartitionError(field, "is missing")
    if not text:
        raise PartitionError(field, "must not be empty")
    value = quote(text, safe="")
    if len(value) > VALUE_LENGTH_MAX:
        raise PartitionError(
            field,
            f"must have at most {VALUE_LENGTH_MAX} characters once percent-encoded, "
            f"and has {len(value)}",
        )
    return value


def event_time(record: Any) -> int:
    """Return a record's event time, epoch milliseconds.

    Raises PartitionError if it is missing, or outside the years 1970-9999.
    """
    epoch_ms = getattr(record, EVENT_TIME)
    if epoch_ms is None or epoch_ms is UNSET:
        raise PartitionError(EVENT_TIME, "is missing")
    if not 0 <= epoch_ms <= EPOCH_MS_MAX:
        raise PartitionError(EVENT_TIME, "must lie in the years 1970-9999, in epoch milliseconds")
    return int(epoch_ms)


_MINUTES = tuple(TIME_FORMATS["minute"].format(minute) for minute in range(60))


def partitioner(layout: Sequence[str] = LAYOUT) -> Callable[[Any], dict[str, str]]:
    """Return a function from a record to its partition keys: the layout's levels, in order.

    The record has its fields as attributes, None or UNSET where absent. The function raises
    PartitionError for a field that is missing or cannot name a partition.
    """
    fields = [level for level in layout if level not in TIME_FORMATS]
    times = [level for level in layout if level in TIME_FORMATS]
    has_minutes = "minute" in times
    in_order = [*fields, *times] == list(layout)

    @lru_cache(maxsize=8192)
    def values_of_hour(hours: int) -> dict[str, str]:
        moment = datetime.fromtimestamp(hours * 3600, UTC)
        return {level: TIME_FORMATS[level].format(getattr(moment, level)) for level in times}

    def keys(record: Any) -> dict[str, str]:
        values: dict[str, str] = {}
        for name in fields:
            values[name] = encode_value(name, getattr(record, name))
        if times:
            minutes = event_time(record) // 60_000
            values.update(values_of_hour(minutes // 60))
            if has_minutes:
                values["minute"] = _MINUTES[minutes % 60]
        return values if in_order else {level: values[level] for level in layout}

    return keys


def layout_errors(layout: Sequence[str], record_type: type[Struct] = Record) -> list[str]:
    """Return the errors of a layout, as sentences; none if it can be used."""
    texts = {
        name for name, declared in field_types(record_type).items() if declared.kinds == ("S",)
    }
    errors = [
        f"level {level!r} is neither a text field of the record ({', '.join(sorted(texts))}) "
        f"nor a part of its time ({', '.join(TIME_FORMATS)})"
        for level in layout
        if level not in texts and level not in TIME_FORMATS
    ]
    if not layout:
        errors.append("it names no level")
    if len(set(layout)) != len(layout):
        errors.append("it names a level twice")
    times = [level for level in layout if level in TIME_FORMATS]
    if times != list(TIME_FORMATS)[: len(times)]:
        errors.append(
            f"its time levels must be {', '.join(TIME_FORMATS)} in this order, from the first on"
        )
    longest = path(
        {level: "0" * 4 if level in TIME_FORMATS else "x" * VALUE_LENGTH_MAX for level in layout}
    )
    if len(longest) > PREFIX_LENGTH_MAX:
        errors.append(
            f"its path can reach {len(longest)} characters; Firehose allows {PREFIX_LENGTH_MAX}"
        )
    return errors


def path(keys: Mapping[str, str]) -> str:
    """Return the folder of a partition: `data/siteId=2/year=2023/.../`."""
    return DATA_PREFIX + "".join(f"{level}={value}/" for level, value in keys.items())


def firehose_prefix(layout: Sequence[str] = LAYOUT) -> str:
    """Return the delivery stream's S3 prefix, which evaluates to `path(keys)`."""
    return path({level: f"!{{partitionKeyFromLambda:{level}}}" for level in layout})


def firehose_error_prefix() -> str:
    """Return the delivery stream's error prefix: by kind of error and day of arrival."""
    return ERROR_PREFIX + "!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd}/"
