"""How large a lake is: its raw objects, and its compacted tables."""

import msgspec

from chalicelib.catalog import CURRENT, HISTORY
from chalicelib.partitions import DATA_PREFIX
from sluice.compaction.tables import LakeTables
from sluice.lake import objects
from sluice.wording import counted


class Size(msgspec.Struct, frozen=True, rename="camel"):
    """Files and their bytes as stored."""

    files: int = 0
    bytes: int = 0
    rows: int | None = None
    """None where no count is known without reading the files."""

    def __str__(self) -> str:
        rows = "" if self.rows is None else f"{counted(self.rows, 'row')} in "
        return f"{rows}{counted(self.files, 'object')}, {self.bytes:,} bytes"


class LakeSize(msgspec.Struct, frozen=True, rename="camel"):
    """The lake as it is at a moment."""

    raw: Size
    history: Size
    current: Size

    def __str__(self) -> str:
        if not self.history.files:
            return f"raw {self.raw}; nothing is compacted"
        return f"raw {self.raw}; history {self.history}; current {self.current}"


def lake_size(tables: LakeTables) -> LakeSize:
    """Return the size of a lake, by a listing and by what the tables say of themselves."""
    files = size = 0
    for each in objects(tables.stack, DATA_PREFIX):
        files += 1
        size += each.size
    return LakeSize(Size(files, size), *compacted_sizes(tables))


def compacted_sizes(tables: LakeTables) -> tuple[Size, Size]:
    """Return the sizes of `history` and `current`. Where there are none it needs no pyiceberg."""
    if not tables.exist:
        return Size(rows=0), Size(rows=0)
    history, current = (_table_size(tables, name) for name in (HISTORY, CURRENT))
    return history, current


def _table_size(tables: LakeTables, name: str) -> Size:
    table = tables.find(name)
    snapshot = table.current_snapshot() if table else None
    if snapshot is None or snapshot.summary is None:
        return Size(rows=0)
    totals = ("total-data-files", "total-files-size", "total-records")
    return Size(*(int(snapshot.summary.additional_properties.get(each, 0)) for each in totals))
