"""The part of the lake that a query is about, as conditions in SQL.

Saved queries read `all_changes`. A selection puts a part of the lake in its place, which is read
from the partitions of `changes` where the selection names them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from chalicelib.catalog import ALL_CHANGES, CHANGES, partition_column
from chalicelib.partitions import TIME_FORMATS, PartitionError, encode_value
from chalicelib.schema import EVENT_TIME, SITE
from sluice.errors import OperationError
from sluice.query.parameters import Value, literal
from sluice.query.saved import FILTER_ANSWER, SavedQuery

_SITE_PARTITION = partition_column(SITE)
_SITE_COLUMN = SITE.lower()
_TIME_COLUMN = EVENT_TIME.lower()


@dataclass(frozen=True, slots=True)
class Selection:
    """The part of the lake a person asks for."""

    site: str | None = None
    start: datetime | None = None
    """The event time from which on, that moment included."""
    end: datetime | None = None
    """The event time until which, that moment not included."""

    def __bool__(self) -> bool:
        return any(each is not None for each in (self.site, self.start, self.end))

    def days(self) -> tuple[date | None, date | None]:
        """The first and the last day, where they are bounded."""
        return (
            self.start.date() if self.start else None,
            (self.end - timedelta(milliseconds=1)).date() if self.end else None,
        )

    def parameters(self) -> dict[str, Value]:
        """What a person's own SQL may name."""
        found: dict[str, Value] = {}
        if self.site is not None:
            found |= {"site": self.site, "site_partition": _encoded(self.site)}
        if self.start is not None:
            found["from_ms"] = _epoch_ms(self.start)
        if self.end is not None:
            found["to_ms"] = _epoch_ms(self.end)
        return found

    def of_lines(self) -> list[str]:
        """The conditions on a line's own columns."""
        found = []
        if self.site is not None:
            found.append(f"{_SITE_COLUMN} = {literal(self.site)}")
        if self.start is not None:
            found.append(f"{_TIME_COLUMN} >= {_epoch_ms(self.start)}")
        if self.end is not None:
            found.append(f"{_TIME_COLUMN} < {_epoch_ms(self.end)}")
        return found

    def of_partitions(self, partitions: Sequence[str]) -> list[str]:
        """The conditions on those of the partition columns that tell something."""
        found = []
        if self.site is not None and _SITE_PARTITION in partitions:
            found.append(f"{_SITE_PARTITION} = {literal(_encoded(self.site))}")
        times = [level for level in TIME_FORMATS if level in partitions]
        first, last = self.days()
        if times and (first or last):
            found += _days(times, first or date.min, last or date.max)
        return found


def narrow(
    query: SavedQuery,
    selection: Selection,
    partitions: Sequence[str],
    required: Collection[str],
    *,
    pruned: bool = False,
) -> str:
    """Return a saved query's SQL for a selection.

    `partitions` are the columns that `changes` is partitioned by; of those in `required` Athena
    demands a value. `pruned` reads only the selection where the answer is filtered by default.
    """
    if not selection:
        return query.sql
    conditions = selection.of_lines()
    if FILTER_ANSWER in query.directives and not pruned:
        return f"SELECT *\nFROM (\n{query.sql}) AS answer\nWHERE {' AND '.join(conditions)}\n"
    on_partitions = selection.of_partitions(partitions)
    table = ALL_CHANGES
    if on_partitions and {each.split()[0] for each in on_partitions} >= set(required):
        table = CHANGES
        conditions = on_partitions + conditions
    part = f"SELECT * FROM {table} WHERE {' AND '.join(conditions)}"  # noqa: S608 - literals
    return f"WITH {ALL_CHANGES} AS ({part})\n{query.sql}"


def hidden(
    selection: Selection, years: tuple[int, int] | None, sites: Collection[str] | None
) -> str | None:
    """Why `changes` does not show all that is asked for, or None when it does.

    `years` and `sites` are those it shows, None for all.
    """
    first, last = selection.days()
    asked = [day.year for day in (first, last) if day]
    if years and not all(years[0] <= year <= years[1] for year in asked):
        return f"the years {years[0]} to {years[1]} alone; deploy with -c years=... to see more"
    if sites is not None and selection.site and _encoded(selection.site) not in sites:
        return "no such site; deploy with it in -c sites=..."
    return None


def _encoded(site: str) -> str:
    try:
        return encode_value(SITE, site)
    except PartitionError as error:
        raise OperationError(f"there is no such site: {error}") from None


def _epoch_ms(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _days(levels: Sequence[str], first: date, last: date) -> list[str]:
    """The range of days as far as the levels tell days apart.

    The outermost level alone is a condition that the projection itself is cut by.
    """
    scale = {"year": 10_000, "month": 100, "day": 1}
    number = " + ".join(f"{level} * {scale[level]}" for level in levels)
    low, high = (
        sum(getattr(day, level) * scale[level] for level in levels) for day in (first, last)
    )
    found = [f"{levels[0]} BETWEEN {first.year} AND {last.year}"]
    if len(levels) > 1:
        found.append(f"{number} BETWEEN {low} AND {high}")
    return found
