"""The lake's partitions as a grid: a row a group, a column a span of time, a number a cell."""

from collections import Counter
from collections.abc import Collection, Mapping
from itertools import groupby
from urllib.parse import unquote

from msgspec import Struct

from chalicelib.declaration import TIME_FORMATS
from chalicelib.partitions import DATA_PREFIX

COLUMNS_MAX = 36
ROWS_MAX = 24
STEPS = 5
"""Shades of a cell that holds anything."""

Times = tuple[str, ...]
"""The values of a folder's time levels, coarsest first."""


class Cell(Struct, frozen=True):
    """Records of one group and time. `step`: 0 for none, up to STEPS for the fullest."""

    records: int
    step: int


class Row(Struct, frozen=True):
    """One group's cells, in the order of the columns, and the records of all its partitions."""

    group: str
    cells: tuple[Cell, ...]
    records: int


class TimeSpan(Struct, frozen=True):
    """The time of a column: its day (or month, or year), and the time of that day, if any."""

    day: str
    time: str


class Heat(Struct, frozen=True):
    """The grid. `level` is the time level of a column; `columns` are its times, oldest first.

    `earlier` and `further_rows` count the columns and rows that are left out: the oldest times,
    and the groups whose newest record is oldest.
    """

    by: str
    """The name of the level that groups are values of; empty without one."""
    level: str
    columns: tuple[TimeSpan, ...]
    rows: tuple[Row, ...]
    earlier: int
    further_rows: int

    @property
    def days(self) -> list[tuple[str, int]]:
        """The days in order, with the number of columns of each."""
        return [
            (day, len(list(columns)))
            for day, columns in groupby(column.day for column in self.columns)
        ]


def grid(partitions: Mapping[str, int], by: str = "") -> Heat:
    """Return the grid of partitions (records by folder), by the finest time level that fits.

    A row has the records of a value of the level `by`; of a folder without it, of all its values.
    """
    folders = [(_group(folder, by), times_of(folder), n) for folder, n in partitions.items()]
    depth = _depth({times for _, times, _ in folders})
    cells: Counter[tuple[str, Times]] = Counter()
    totals: Counter[str] = Counter()
    newest: dict[str, Times] = {}
    for group, times, records in folders:
        cells[group, times[:depth]] += records
        totals[group] += records
        newest[group] = max(newest.get(group, times), times)
    columns = sorted({times for _, times in cells})
    kept_columns = columns[-COLUMNS_MAX:]
    by_freshness = sorted(totals, key=lambda group: (newest[group], totals[group]), reverse=True)
    kept = sorted(by_freshness[:ROWS_MAX], key=lambda group: (len(group), group))
    records_of = {group: [cells[group, times] for times in kept_columns] for group in kept}
    peak = max((max(records) for records in records_of.values()), default=0)
    return Heat(
        by=by,
        level=list(TIME_FORMATS)[depth - 1] if depth else "",
        columns=tuple(TimeSpan("-".join(times[:3]), ":".join(times[3:])) for times in kept_columns),
        rows=tuple(
            Row(group, tuple(_cell(each, peak) for each in records), totals[group])
            for group, records in records_of.items()
        ),
        earlier=len(columns) - len(kept_columns),
        further_rows=len(totals) - len(kept),
    )


def times_of(folder: str) -> Times:
    """Return a folder's time values."""
    levels = _levels(folder)
    return tuple(levels[level] for level in TIME_FORMATS if level in levels)


def values_of(folder: str) -> tuple[str, ...]:
    """Return a folder's values of all levels but the time's."""
    return tuple(value for name, value in _levels(folder).items() if name not in TIME_FORMATS)


def _group(folder: str, by: str) -> str:
    return _levels(folder).get(by) or " / ".join(values_of(folder)) or "all"


def _levels(folder: str) -> dict[str, str]:
    names = (level.partition("=") for level in folder.removeprefix(DATA_PREFIX).split("/"))
    return {name: unquote(value) for name, is_level, value in names if is_level}


def _depth(times: Collection[Times]) -> int:
    """Return how many time levels tell columns apart: as many as COLUMNS_MAX allows."""
    levels = max(map(len, times), default=0)
    for depth in range(levels, 1, -1):
        if len({values[:depth] for values in times}) <= COLUMNS_MAX:
            return depth
    return min(levels, 1)


def _cell(records: int, peak: int) -> Cell:
    """Return a cell with its shade: its part of the peak, rounded up to a whole step."""
    return Cell(records, -(-records * STEPS // peak) if records else 0)
