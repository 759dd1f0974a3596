"""The part of the lake that a query is about, as conditions in SQL.

Saved queries read `all_changes` or `last_changes`. For a part of the lake, a `WITH` puts that part
in its place: the partitions of `changes` where the part names them.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import NamedTuple

import msgspec

from chalicelib.catalog import (
    ALL_CHANGES,
    CHANGES,
    Column,
    columns,
    key_columns,
    partition_column,
    quoted,
    sql_name,
)
from chalicelib.declaration import KIND, TIME_FORMATS, Level, Table
from chalicelib.errors import PartitionError
from chalicelib.keys import key_from, texts_of
from chalicelib.partitions import encode_value
from sluice.errors import OptionError
from sluice.query.parameters import Value, literal
from sluice.query.partitioning import Partitioning
from sluice.query.saved import FILTER_ANSWER, KEY_PARAMETERS, SavedQuery

_NAMED_MAX = 5
"""Of the values or years that a warning names."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DAY_NUMBER = {"year": 10_000, "month": 100, "day": 1}


class LevelValue(NamedTuple):
    """The value of a level that a part is held to."""

    level: Level
    text: str
    """As its records have it."""
    column: Column
    """The column of a line that has the value."""
    option: str
    """The option that gave it."""

    @property
    def value(self) -> Value:
        """The value in SQL, of the column's type. Raises OptionError."""
        return value_of(self.column, self.text)

    @property
    def in_path(self) -> str:
        """The value as the path spells it. Raises OptionError for one that no path can name."""
        try:
            return encode_value(self.level.name, self.value, self.level.length)
        except PartitionError as error:
            raise OptionError(f"no part of the lake has this {error.field}: {error}") from None


@dataclass(frozen=True, slots=True)
class LakePart:
    """Values of levels, or a range of event times, or both; all of the lake without either."""

    table: Table
    values: tuple[LevelValue, ...] = ()
    start: datetime | None = None
    """The first moment of the range."""
    end: datetime | None = None
    """The moment after the range."""

    def __bool__(self) -> bool:
        return bool(self.values) or self.start is not None or self.end is not None

    @property
    def days(self) -> tuple[date | None, date | None]:
        """The first and the last day of the range, where it has bounds."""
        return (
            self.start.date() if self.start else None,
            (max(self.end, _EPOCH) - _MILLISECOND).date() if self.end else None,
        )

    def in_path(self, level: str) -> str | None:
        """Return the value of a level as the path spells it, or None if the part names none."""
        return next((each.in_path for each in self.values if each.level.name == level), None)

    def parameters(self) -> dict[str, tuple[Value, str]]:
        """Return the values that a person's own SQL may name, each with its option."""
        values: dict[str, tuple[Value, str]] = {}
        for each in self.values:
            names = [each.column.name] + ["site"] * (each.level == first_field_level(self.table))
            for name in names:
                values.setdefault(name, (each.value, each.option))
                values.setdefault(f"{name}_partition", (each.in_path, each.option))
        bounds = (("from_ms", self.start, "--from"), ("to_ms", self.end, "--to"))
        for name, moment, option in bounds:
            if moment is not None:
                values[name] = _epoch_ms(moment), option
        return values

    def line_conditions(self) -> list[str]:
        """Return the conditions on the columns of a line."""
        conditions = [f"{quoted(each.column.name)} = {literal(each.value)}" for each in self.values]
        time = quoted(sql_name(self.table.time_line_name))
        if self.start is not None:
            conditions.append(f"{time} >= {_epoch_ms(self.start)}")
        if self.end is not None:
            conditions.append(f"{time} < {_epoch_ms(self.end)}")
        return conditions

    def partition_conditions(self, partitions: Collection[str]) -> dict[str, str]:
        """Return the conditions on partition columns that this part bounds, by column."""
        conditions = {}
        for each in self.values:
            if (column := partition_column(each.level)) in partitions:
                conditions[column] = f"{quoted(column)} = {literal(each.in_path)}"
        levels = [level for level in TIME_FORMATS if level in partitions]
        if levels and any(self.days):
            first, last = self.days
            conditions[levels[0]] = _days(levels, first or date.min, last or date.max)
        return conditions

    def beyond(self, partitioning: Partitioning) -> str | None:
        """Return why a table so partitioned does not show all of this part; None if it does."""
        asked = [day.year for day in self.days if day]
        years = partitioning.years
        if years and not all(years[0] <= year <= years[1] for year in asked):
            return years_shown(years)
        for each in self.values:
            shown = partitioning.values(partition_column(each.level))
            if shown is not None and each.in_path not in shown:
                return f"no such {each.level.name}; deploy with it in -c sites=..."
        return None

    def outside(self, year: int, years: tuple[int, int]) -> bool:
        """Whether a year has a part of this range, and is not one of the `years` shown."""
        first, last = self.days
        is_asked = (not first or first.year <= year) and (not last or year <= last.year)
        return is_asked and not years[0] <= year <= years[1]


def first_field_level(table: Table) -> Level | None:
    """Return the first level of a field, whose values the setting `sites` names."""
    return table.group if table.group and table.group.attribute else None


def level_values(
    table: Table, where: Iterable[str], site: str | None = None
) -> tuple[LevelValue, ...]:
    """Return what texts of the form LEVEL=VALUE hold levels to, in the order of the layout.

    `site` is a value of the first level of a field. Raises OptionError.
    """
    levels = {level.name: level for level in table.levels if not level.is_time}
    names = ", ".join(levels)
    values: dict[str, LevelValue] = {}

    def hold(level: Level, text: str, option: str) -> None:
        if level.name in values:
            raise OptionError(f"{level.name} has two values; ask once for each")
        column = next(each for each in columns(table) if each.key == level.name)
        kinds = [shape.kind for shape in table.shapes]
        if level.attribute is None and text not in kinds:
            raise OptionError(f"there is no kind {text}; there are {', '.join(kinds)}")
        values[level.name] = LevelValue(level, text, column, option)

    for condition in where:
        name, separator, text = condition.partition("=")
        if not separator:
            raise OptionError(f"--where takes LEVEL=VALUE, not {condition}")
        if name not in levels:
            takes = f"--where takes {names}" if names else "there is no level for --where"
            raise OptionError(
                f"{name} is not a level of a field; {takes}, and --from and --to take times"
            )
        hold(levels[name], text, f"--where {name}=...")
    if site is not None:
        if (level := first_field_level(table)) is None:
            raise OptionError("--site means the first level of a field; the layout has none")
        hold(level, site, "--site")
    return tuple(values[name] for name in levels if name in values)


def value_of(column: Column, text: str) -> Value:
    """Return a text as a value of a column's type. Raises OptionError."""
    match column.type:
        case "bigint":
            try:
                return int(text)
            except ValueError:
                raise OptionError(f"{column.key} is a whole number, not {text}") from None
        case "boolean":
            if text not in ("true", "false"):
                raise OptionError(f"{column.key} is true or false, not {text}")
            return text == "true"
    return text


def key_values(table: Table, texts: Sequence[str]) -> dict[str, Value]:
    """Return the parameters for a key, or for its first part. Raises OptionError."""
    named = msgspec.structs.replace(table, key=table.key[: len(texts)])
    try:
        texts = texts_of(named, key_from(named, texts))
    except ValueError as error:
        raise OptionError(f"--key: {error}") from None
    column = {each.name: each for each in columns(table)}
    return {
        parameter: value_of(column[name], text)
        for parameter, name, text in zip(KEY_PARAMETERS, key_columns(table), texts, strict=False)
    }


def years_shown(years: tuple[int, int], hidden: Sequence[int] = ()) -> str:
    """Return which years `changes` shows, which it hides, and the remedy."""
    has = f", and the lake has {_some(map(str, hidden))}" if hidden else ""
    return f"only the years {years[0]} to {years[1]}{has}; deploy with -c years=... to see more"


def values_shown(level: str, hidden: Collection[str]) -> str:
    """Return which values of a level `changes` hides, and the remedy."""
    remedy = "declare them and deploy" if level == KIND else "deploy with them in -c sites=..."
    return f"not the {level} {_some(sorted(hidden))}; {remedy}"


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
    return f"WITH {query.source} AS ({rows})\n{query.sql}"


def _epoch_ms(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND


def _days(levels: Sequence[str], first: date, last: date) -> str:
    """The range of days as far as the levels tell days apart.

    The projection itself is cut by a condition on a single column, here the outermost.
    """
    condition = f'"{levels[0]}" BETWEEN {first.year} AND {last.year}'
    if len(levels) == 1:
        return condition
    number = " + ".join(f'"{level}" * {_DAY_NUMBER[level]}' for level in levels)
    low, high = (
        sum(getattr(day, level) * _DAY_NUMBER[level] for level in levels) for day in (first, last)
    )
    return f"{condition} AND {number} BETWEEN {low} AND {high}"
