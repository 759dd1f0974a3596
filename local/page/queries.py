"""The saved queries of `queries/`, and what `sluice query` answers."""

from pathlib import Path
from typing import Any

from msgspec import Struct

from local.cdk import ROOT

FOLDER = ROOT / "queries"


class SavedQuery(Struct, frozen=True):
    """A query by name. `about`: its opening comment."""

    name: str
    about: str
    sql: str


class SavedQueries:
    """The `.sql` files of a folder, read when asked for, so that a new one needs no restart."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder

    def all(self) -> list[SavedQuery]:
        """Every saved query, by name."""
        return [_read(file) for file in sorted(self._folder.glob("*.sql"))]

    def named(self, name: str) -> SavedQuery | None:
        """The query of this name, if there is one."""
        return next((each for each in self.all() if each.name == name), None)


def _read(file: Path) -> SavedQuery:
    sql = file.read_text().strip()
    opening = []
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        opening.append(line.removeprefix("--").strip())
    return SavedQuery(file.stem, " ".join(opening), sql)


class Result(Struct, frozen=True):
    """A query's answer: its columns, its rows as text or numbers, and the bytes it read."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    bytes_scanned: int | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Result":
        """From the document of `sluice query --json`."""
        columns = tuple(document["columns"])
        rows = tuple(tuple(row) for row in document["rows"])
        return cls(columns, rows, document.get("bytesScanned"), tuple(document.get("warnings", ())))

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Whether a column holds numbers alone, and one at least."""
        return tuple(
            any(value is not None for value in column)
            and all(value is None or _is_number(value) for value in column)
            for column in zip(*self.rows, strict=True)
        ) or (False,) * len(self.columns)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
