"""The text of a question: saved queries, their parameters, and the part of the lake they are of.

The files of `saved/` are what Athena runs. They read `all_changes`; where the options name a
partition, a file's table is exchanged for the partition of `changes`.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from chalicelib.catalog import ALL_CHANGES, CHANGES, partition_column
from chalicelib.partitions import TIME_FORMATS, PartitionError, encode_value
from chalicelib.schema import EVENT_TIME, SITE
from sluice.errors import OperationError

FOLDER = Path(__file__).parent / "saved"

Value = str | int

_NARROWED_AFTER = "-- Narrowed after reading"

_TOKENS = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | (?<![\w:]):(?P<name>[a-z_]+)\b""",
    re.VERBOSE | re.DOTALL,
)
"""What a `:name` is no parameter within, and parameters."""

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


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """A file of `sluice/query/saved/`."""

    name: str
    text: str

    @property
    def title(self) -> str:
        """Its first line, in words."""
        return self.text.splitlines()[0].removeprefix("-- ")

    @property
    def parameters(self) -> set[str]:
        """The parameters that must be given."""
        return parameters_of(self.text)

    @property
    def narrowed_after(self) -> bool:
        """Whether to read a part of the lake alone could make its answer wrong."""
        return _NARROWED_AFTER in self.text

    def narrowed(self, selection: Selection, partitions: Sequence[str], asked: set[str]) -> str:
        """The query for a part of the lake.

        `partitions` are the columns that `changes` is partitioned by, and `asked` those among them
        that Athena demands a value of.
        """
        if not selection:
            return self.text
        conditions = selection.of_partitions(partitions)
        named = {each.split()[0] for each in conditions}
        table = CHANGES if conditions and asked <= named else ALL_CHANGES
        if table == ALL_CHANGES:
            conditions = []
        where = " AND ".join(conditions + selection.of_lines())
        part = f"FROM (SELECT * FROM {table} WHERE {where}) AS {ALL_CHANGES}"  # noqa: S608 - literals
        return re.sub(rf"\bFROM {ALL_CHANGES}\b", lambda _: part, self.text)

    def picked(self, selection: Selection) -> str:
        """The query over all of the lake, and that part of its answer."""
        if not selection:
            return self.text
        where = " AND ".join(selection.of_lines())
        return f"SELECT *\nFROM (\n{self.text}) AS answer\nWHERE {where}\n"


def saved_queries() -> dict[str, SavedQuery]:
    """The saved queries by name."""
    return {
        file.stem: SavedQuery(file.stem, file.read_text()) for file in sorted(FOLDER.glob("*.sql"))
    }


def saved_query(name: str) -> SavedQuery:
    """One saved query. Raises OperationError with the names there are."""
    found = saved_queries()
    if name not in found:
        raise OperationError(
            f"there is no saved query {name}; there are {', '.join(found)}, or write SQL"
        )
    return found[name]


def parameters_of(sql: str) -> set[str]:
    """The names that stand as `:name` in a query, outside of texts and comments."""
    return {found["name"] for found in _TOKENS.finditer(sql)} - {None}


def bound(sql: str, values: Mapping[str, Value]) -> str:
    """The query with literals for its parameters. Raises OperationError for a missing one."""
    if missing := parameters_of(sql) - values.keys():
        names = ", ".join(f":{name}" for name in sorted(missing))
        raise OperationError(f"the query has {names}, which no option gives a value")
    return _TOKENS.sub(
        lambda found: literal(values[found["name"]]) if found["name"] else found[0], sql
    )


def literal(value: Value) -> str:
    """A value as SQL. In a text, the quote is the only character that means something."""
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


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
