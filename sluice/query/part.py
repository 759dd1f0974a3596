"""The part of the lake that a query is about, as conditions in SQL.

Saved queries read `all_changes`. For a part of the lake, a `WITH` puts that part in its place: the
partitions of `changes` where the part names them.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from chalicelib.catalog import ALL_CHANGES, CHANGES, partition_column
from chalicelib.declaration import TIME_FORMATS
from chalicelib.errors import PartitionError
from chalicelib.partitions import encode_value
from chalicelib.schema import EVENT_TIME, SITE
from sluice.errors import OperationError
from sluice.query.parameters import Value, literal
from sluice.query.saved import FILTER_ANSWER, SavedQuery

_NAMED_MAX = 5
"""Of the sites or years that a warning names."""

_SITE_PARTITION = partition_column(SITE)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DAY_NUMBER = {"year": 10_000, "month": 100, "day": 1}


@dataclass(frozen=True, slots=True)
class LakePart:
    """A site, or a range of event times, or both; all of the lake without either."""

    site: str | None = None
    start: datetime | None = None
    """The first moment of the range."""
    end: datetime | None = None
    """The moment after the range."""

    def __bool__(self) -> bool:
        return any(bound is not None for bound in (self.site, self.start, self.end))

    @property
    def site_partition(self) -> str | None:
        """The site as its path spells it. Raises OperationError for one that no path can name."""
        if self.site is None:
            return None
        try:
            return encode_value(SITE, self.site)
        except PartitionError as error:
            raise OperationError(f"there is no such site: {error}") from None

    @property
    def days(self) -> tuple[date | None, date | None]:
        """The first and the last day of the range, where it has bounds."""
        return (
            self.start.date() if self.start else None,
            (max(self.end, _EPOCH) - _MILLISECOND).date() if self.end else None,
        )

    def parameters(self) -> dict[str, Value]:
        """Return the values that a person's own SQL may name."""
        values = {
            "site": self.site,
            "site_partition": self.site_partition,
            "from_ms": _epoch_ms(self.start),
            "to_ms": _epoch_ms(self.end),
        }
        return {name: value for name, value in values.items() if value is not None}

    def line_conditions(self) -> list[str]:
        """Return the conditions on the columns of a line."""
        bounds = [
            (SITE.lower(), "=", self.site),
            (EVENT_TIME.lower(), ">=", _epoch_ms(self.start)),
            (EVENT_TIME.lower(), "<", _epoch_ms(self.end)),
        ]
        return [
            f"{column} {operator} {literal(value)}"
            for column, operator, value in bounds
            if value is not None
        ]

    def partition_conditions(self, partitions: Collection[str]) -> dict[str, str]:
        """Return the conditions on partition columns that this part bounds, by column."""
        conditions = {}
        if _SITE_PARTITION in partitions and self.site_partition is not None:
            conditions[_SITE_PARTITION] = f"{_SITE_PARTITION} = {literal(self.site_partition)}"
        levels = [level for level in TIME_FORMATS if level in partitions]
        if levels and any(self.days):
            first, last = self.days
            conditions[levels[0]] = _days(levels, first or date.min, last or date.max)
        return conditions

    def beyond(self, years: tuple[int, int] | None, sites: Collection[str] | None) -> str | None:
        """Return why `changes` does not show all of this part, or None when it does.

        `years` and `sites` are those it shows, None for all.
        """
        asked = [day.year for day in self.days if day]
        if years and not all(years[0] <= year <= years[1] for year in asked):
            return years_shown(years)
        if sites is not None and self.site and self.site_partition not in sites:
            return "no such site; deploy with it in -c sites=..."
        return None

    def outside(self, year: int, years: tuple[int, int]) -> bool:
        """Whether a year has a part of this range, and is not one of the `years` shown."""
        first, last = self.days
        is_asked = (not first or first.year <= year) and (not last or year <= last.year)
        return is_asked and not years[0] <= year <= years[1]


def years_shown(years: tuple[int, int], hidden: Sequence[int] = ()) -> str:
    """Return which years `changes` shows, which it hides, and the remedy."""
    has = f", and the lake has {_some(map(str, hidden))}" if hidden else ""
    return f"only the years {years[0]} to {years[1]}{has}; deploy with -c years=... to see more"


def sites_shown(hidden: Collection[str]) -> str:
    """Return which sites `changes` hides, and the remedy."""
    return f"not the sites {_some(sorted(hidden))}; deploy with them in -c sites=..."


def _some(names: Iterable[str]) -> str:
    first = list(islice(names, _NAMED_MAX + 1))
    return ", ".join(first[:_NAMED_MAX]) + (", ..." if len(first) > _NAMED_MAX else "")


def narrow(
    query: SavedQuery,
    part: LakePart,
    partitions: Sequence[str],
    required: Collection[str],
    *,
    pruned: bool = False,
) -> str:
    """Return a saved query's SQL for a part of the lake.

    `partitions` are the columns that `changes` is partitioned by; of those in `required` Athena
    demands a value. `pruned` reads only the part even where the answer would be filtered.
    """
    if not part:
        return query.sql
    conditions = part.line_conditions()
    if FILTER_ANSWER in query.directives and not pruned:
        return f"SELECT *\nFROM (\n{query.sql}) AS answer\nWHERE {' AND '.join(conditions)}\n"
    table, on_partitions = ALL_CHANGES, part.partition_conditions(partitions)
    if on_partitions and on_partitions.keys() >= set(required):
        table, conditions = CHANGES, [*on_partitions.values(), *conditions]
    rows = f"SELECT * FROM {table} WHERE {' AND '.join(conditions)}"  # noqa: S608 - literals
    return f"WITH {ALL_CHANGES} AS ({rows})\n{query.sql}"


def _epoch_ms(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // _MILLISECOND


def _days(levels: Sequence[str], first: date, last: date) -> str:
    """The range of days as far as the levels tell days apart.

    The projection itself is cut by a condition on a single column, here the outermost.
    """
    condition = f"{levels[0]} BETWEEN {first.year} AND {last.year}"
    if len(levels) == 1:
        return condition
    number = " + ".join(f"{level} * {_DAY_NUMBER[level]}" for level in levels)
    low, high = (
        sum(getattr(day, level) * _DAY_NUMBER[level] for level in levels) for day in (first, last)
    )
    return f"{condition} AND {number} BETWEEN {low} AND {high}"
