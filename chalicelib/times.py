"""The event time: read in the unit that the table declares, and held against what is plausible."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import floor
from typing import Any

from chalicelib.declaration import CHANGED, CHANGED_AT, EPOCH_MS_MAX, Table, Time, Unit, is_missing
from chalicelib.errors import PartitionError
from chalicelib.lines import LineType, line_member

PLAUSIBLE_MS = (94_694_400_000, 4_102_444_800_000)
"""The years 1973 to 2099: a time before them may be one of another unit."""

MILLISECONDS: dict[Unit, Decimal] = {"s": Decimal(1000), "ms": Decimal(1), "us": Decimal("0.001")}

UNITS: dict[Unit, str] = {
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "iso": "ISO 8601",
}

_ISO = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
"""Compiled when a time is first read: most tables have none of this form."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

Notice = Callable[[str], None]
"""Called with the name of a field whose time looks like one in another unit."""


def ignore(_field: str) -> None:
    """Take no notice."""


def epoch_ms(time: Time, value: Any) -> int:
    """Return the instant of a time's value in epoch milliseconds.

    Raises ValueError with the rule that it breaks.
    """
    if time.unit == "iso":
        instant = _from_iso(value, time.offset)
    elif time.unit == "ms" and isinstance(value, int):
        instant = value
    else:
        instant = floor(Decimal(value) * MILLISECONDS[time.unit])
    if 0 <= instant <= EPOCH_MS_MAX:
        return instant
    unit = "ISO 8601" if time.unit == "iso" else f"epoch {UNITS[time.unit]}"
    hint = f"; it looks like {UNITS[other]}" if (other := likely_unit(time, value)) else ""
    raise ValueError(f"must lie in the years 1970-9999, in {unit}{hint}")


def likely_unit(time: Time, value: Any) -> Unit | None:
    """Return the unit that a value seems to be in, None where the declared one is plausible."""
    if time.unit == "iso" or time.real_before_1973:
        return None
    first, end = PLAUSIBLE_MS
    number = Decimal(value)
    instant = number * MILLISECONDS[time.unit]
    if first <= instant <= EPOCH_MS_MAX:
        return None
    units = (unit for unit, factor in MILLISECONDS.items() if first <= number * factor < end)
    return next(units, None)


def event_time_reader(
    table: Table, line: LineType, notice: Notice = ignore
) -> Callable[[Any], int]:
    """Return a function from a line to its event time in epoch milliseconds.

    It is the first of the table's times that the line has; for records of no declared kind it is
    the change's own where they have none. The function raises PartitionError.
    """
    fields = {field.name: field for field in line.fields}
    times = [
        (time, line_member(fields[time.field]) if time.field else CHANGED_AT)
        for time in table.times
        if time.field is None or time.field in fields
    ]
    if not line.shape.is_declared:
        times.append((CHANGED, CHANGED_AT))
    names = " or ".join(time.field or "the change's time" for time in table.times)

    def read(line: Any) -> int:
        for time, member in times:
            value = getattr(line, member)
            if is_missing(value):
                continue
            try:
                instant = epoch_ms(time, value)
            except ValueError as broken:
                raise PartitionError(time.field or member, str(broken)) from None
            if instant < PLAUSIBLE_MS[0] and time.field and likely_unit(time, value):
                notice(time.field)
            return instant
        raise PartitionError(names, "is missing")

    return read


def _from_iso(text: Any, offset: str | None) -> int:
    if not isinstance(text, str) or not (parts := re.fullmatch(_ISO, text, re.ASCII)):
        raise ValueError("must be a time in ISO 8601, such as 2023-11-15T19:29:11Z")
    if parts[1] is None:
        text += "T00:00"
    if parts[1] is None or parts[4] is None:
        if offset is None:
            raise ValueError("must have its offset from UTC, such as Z or +02:00")
        text += offset
    try:
        moment = datetime.fromisoformat(text.replace(",", "."))
    except ValueError:
        raise ValueError("must be a time that exists") from None
    return (moment - _EPOCH) // _MILLISECOND
