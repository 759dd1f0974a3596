"""How large a lake is: its raw objects, and its compacted tables."""

from urllib.parse import urlsplit

import msgspec

from chalicelib.catalog import CURRENT, HISTORY
from chalicelib.partitions import DATA_PREFIX
from sluice.lake import objects, read_body
from sluice.stack import Stack
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


def lake_size(stack: Stack) -> LakeSize:
    """Return the size of a lake, by a listing and by what the tables say of themselves."""
    files = size = 0
    for each in objects(stack, DATA_PREFIX):
        files += 1
        size += each.size
    return LakeSize(Size(files, size), *compacted_sizes(stack))


def compacted_sizes(stack: Stack) -> tuple[Size, Size]:
    """Return the sizes of `history` and `current`, from the tables' metadata."""
    return _table_size(stack, HISTORY), _table_size(stack, CURRENT)


def _table_size(stack: Stack, name: str) -> Size:
    glue = stack.glue
    try:
        entry = glue.get_table(DatabaseName=stack.output("DatabaseName"), Name=name)["Table"]
    except glue.exceptions.EntityNotFoundException:
        return Size(rows=0)
    address = urlsplit(entry["Parameters"]["metadata_location"])
    metadata = msgspec.json.decode(read_body(stack, address.path.lstrip("/")))
    current = metadata.get("current-snapshot-id")
    for snapshot in metadata.get("snapshots", []):
        if snapshot["snapshot-id"] == current:
            totals = ("total-data-files", "total-files-size", "total-records")
            return Size(*(int(snapshot["summary"].get(each, 0)) for each in totals))
    return Size(rows=0)
