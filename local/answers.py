"""What the saved queries must answer, from the lines of the lake and the table's items alone."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from chalicelib.catalog import columns
from chalicelib.declaration import Table
from chalicelib.keys import texts_of
from sluice.items import Item, Line, item_writer

LARGEST_ROWS = 20
LATE_ROWS_MAX = 1000
LATE_MS = 3_600_000

Key = tuple[str, ...]
Rows = Sequence[tuple[Any, ...]]


class LakeContents:
    """The lines of a lake, as one who reads them without SQL sees them."""

    def __init__(self, table: Table, lines: Iterable[Line], *, has_deletes: bool = True) -> None:
        """`has_deletes` is False for a deployment that keeps deletes from the lake."""
        write = item_writer(table)
        self._table = table
        self._columns = columns(table)
        self._has_deletes = has_deletes
        self._lines = [(texts_of(table, write(line)), line) for line in lines]

    @cached_property
    def versions(self) -> Mapping[Key, Sequence[Line]]:
        """The lines of each key, oldest first."""
        versions = defaultdict(list)
        for key, line in sorted(self._lines, key=lambda each: each[1]["changeSequence"]):
            versions[key].append(line)
        return versions

    def latest(self, rows: Rows, items: Iterable[Item]) -> bool:
        """Whether rows are the newest line of each item of the table, and of no other.

        Without deletes in the lake, of the deleted ones too.
        """
        keys = {texts_of(self._table, item) for item in items}
        newest = {key: versions[-1] for key, versions in self.versions.items()}
        living = {key: line for key, line in newest.items() if line["changeType"] != "REMOVE"}
        is_whole = living.keys() == keys if self._has_deletes else living.keys() >= keys
        return is_whole and _same(self._cells(rows), self._rows(living.values()))

    def history(self, rows: Rows, key: Key) -> bool:
        """Whether rows are all lines of a key, in order. Their first column is made up."""
        return self._cells(row[1:] for row in rows) == self._rows(self.versions[key])

    def duplicates(self, rows: Rows) -> bool:
        """Whether rows are the changes that have more than one line, with their number."""
        copies = Counter((line["eventId"], *self._place(key, line)) for key, line in self._lines)
        return _same(rows, [(*each, n) for each, n in copies.items() if n > 1])

    def hours(self, rows: Rows) -> bool:
        """Whether rows count the changes and the records of each hour of event time."""
        events: dict[tuple[Any, ...], set[str]] = defaultdict(set)
        keys: dict[tuple[Any, ...], set[Key]] = defaultdict(set)
        for key, line in self._lines:
            hour = (*self._group(line), self._moment(line, "%Y-%m-%d %H"))
            events[hour].add(line["eventId"])
            keys[hour].add(key)
        counts = [(*hour, len(events[hour]), len(keys[hour])) for hour in events]
        return _same([(*row[:-3], row[-3][:13], *row[-2:]) for row in rows], counts)

    def largest(self, rows: Rows) -> bool:
        """Whether rows are minutes of event time with the most lines, the fullest first."""
        counts = Counter(
            (*self._group(line), self._moment(line, "%Y-%m-%d %H:%M")) for _, line in self._lines
        )
        minutes = {(*row[:-2], row[-2][:16]): row[-1] for row in rows}
        fullest = [n for _, n in counts.most_common(LARGEST_ROWS)]
        return minutes.items() <= counts.items() and [row[-1] for row in rows] == fullest

    def late(self, rows: Rows) -> bool:
        """Whether rows are the inserts more than an hour after their event time."""
        late = [
            self._place(key, line)
            for key, line in self._lines
            if line["changeType"] == "INSERT" and line["changedAt"] - self._time(line) > LATE_MS
        ]
        places = [row[:-3] for row in rows]
        hours = [row[-1] for row in rows]
        return hours == sorted(hours, reverse=True) and (
            _same(places, late) or (len(rows) == LATE_ROWS_MAX and set(places) <= set(late))
        )

    def _rows(self, lines: Iterable[Line]) -> list[tuple[Any, ...]]:
        return [tuple(_cell(line.get(column.key)) for column in self._columns) for line in lines]

    def _cells(self, rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Return the columns of a line; a query may add others behind them."""
        return [tuple(map(_cell, row[: len(self._columns)])) for row in rows]

    def _group(self, line: Line) -> tuple[Any, ...]:
        group = self._table.group
        return () if group is None else (_cell(line.get(group.name)),)

    def _place(self, key: Key, line: Line) -> tuple[Any, ...]:
        """Return a line's group and key as columns, a column that is both once."""
        names = {field.line: text for field, text in zip(self._table.key_fields, key, strict=True)}
        group = self._table.group
        if group is None or group.name in names:
            first = () if group is None else (names.pop(group.name),)
            return (*first, *names.values())
        return (*self._group(line), *names.values())

    def _time(self, line: Line) -> int:
        return int(line[self._table.time_line_name])

    def _moment(self, line: Line, form: str) -> str:
        return datetime.fromtimestamp(self._time(line) // 1000, UTC).strftime(form)


CHECKS: Mapping[str, Callable[[LakeContents, Rows, Sequence[Item], Key], bool]] = {
    "duplicates": lambda lake, rows, _items, _key: lake.duplicates(rows),
    "history": lambda lake, rows, _items, key: lake.history(rows, key),
    "hours": lambda lake, rows, _items, _key: lake.hours(rows),
    "largest": lambda lake, rows, _items, _key: lake.largest(rows),
    "late": lambda lake, rows, _items, _key: lake.late(rows),
    "latest": lambda lake, rows, items, _key: lake.latest(rows, items),
}
"""For each saved query, whether rows are the right answer."""


def _same(rows: Iterable[tuple[Any, ...]], others: Iterable[tuple[Any, ...]]) -> bool:
    """Whether two lists have the same rows, in any order."""
    return Counter(map(_row, rows)) == Counter(map(_row, others))


def _row(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(map(_cell, row))


def _cell(value: Any) -> str | None:
    """Return a value as a line and a result both show it: numbers as their digits."""
    return None if value is None else str(value)
