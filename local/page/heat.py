"""The lake's partitions as a grid: a row a site, a column a span of time, a number a cell."""

from collections import Counter
from collections.abc import Mapping
from itertools import groupby
from urllib.parse import unquote

from msgspec import Struct

from chalicelib.partitions import DATA_PREFIX, TIME_FORMATS

COLUMNS_MAX = 36
ROWS_MAX = 24
STEPS = 5
"""Shades of a cell that holds anything."""


class Cell(Struct, frozen=True):
    """Records of one site and time. `step`: 0 for none, up to STEPS for the fullest."""

    records: int
    step: int


class Row(Struct, frozen=True):
    """One site's cells, in the order of the columns, and what it holds in all."""

    site: str
    cells: tuple[Cell, ...]
    records: int


class Column(Struct, frozen=True):
    """One span of time: the day (or month, or year) it is in, and the time of that day, if any."""

    day: str
    time: str


class Heat(Struct, frozen=True):
    """The grid. `level` is the time level of a column; `columns` are its times, oldest first.

    `earlier` and `further_rows` count the columns and rows that are left out: the oldest times,
    and the sites whose newest record is oldest.
    """

    level: str
    columns: tuple[Column, ...]
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


def grid(partitions: Mapping[str, int]) -> Heat:
    """The grid of partitions (records by folder), by the finest time level that fits."""
    cells = [(split(folder), records) for folder, records in partitions.items()]
    levels = max((len(times) for (_, times), _ in cells), default=0)
    depth = next(
        (
            depth
            for depth in range(levels, 1, -1)
            if len({times[:depth] for (_, times), _ in cells}) <= COLUMNS_MAX
        ),
        min(levels, 1),
    )
    counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for (site, times), records in cells:
        counts[site, times[:depth]] += records
    columns = sorted({times for _, times in counts})
    shown = columns[-COLUMNS_MAX:]
    sites = Counter[str]()
    newest: dict[str, tuple[str, ...]] = {}
    for (site, times), records in cells:
        sites[site] += records
        newest[site] = max(newest.get(site, times), times)
    freshest = sorted(sites, key=lambda site: (newest[site], sites[site]), reverse=True)[:ROWS_MAX]
    peak = max((counts[site, times] for site in freshest for times in shown), default=0)
    rows = tuple(
        Row(site, tuple(_cell(counts[site, times], peak) for times in shown), sites[site])
        for site in sorted(freshest, key=lambda site: (len(site), site))
    )
    return Heat(
        list(TIME_FORMATS)[depth - 1] if depth else "",
        tuple(_column(times) for times in shown),
        rows,
        len(columns) - len(shown),
        len(sites) - len(rows),
    )


def split(folder: str) -> tuple[str, tuple[str, ...]]:
    """A folder's site, whatever its levels are named, and its time values, coarsest first."""
    pairs = [level.split("=", 1) for level in folder.removeprefix(DATA_PREFIX).split("/") if level]
    values = {name: value for name, *rest in pairs for value in rest}
    times = tuple(values[level] for level in TIME_FORMATS if level in values)
    site = " / ".join(unquote(value) for name, value in values.items() if name not in TIME_FORMATS)
    return site, times


def _cell(records: int, peak: int) -> Cell:
    return Cell(records, -(-records * STEPS // peak) if records else 0)


def _column(times: tuple[str, ...]) -> Column:
    return Column("-".join(times[:3]), ":".join(times[3:]))
