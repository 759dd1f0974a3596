"""The saved queries of `sluice/query/saved/`, and what `sluice query` answers."""

from pathlib import Path
from typing import Any

from msgspec import Struct

from local.cdk import ROOT

FOLDER = ROOT / "sluice/query/saved"


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
    opening = sql.partition("\n")[0]
    about = opening.removeprefix("--").strip() if opening.startswith("--") else ""
    return SavedQuery(file.stem, about, sql)


class Result(Struct, frozen=True):
    """A query's answer: its columns, and its rows as text, numbers, truths or None."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    @classmethod
    def of(cls, document: list[dict[str, Any]]) -> "Result":
        """From the document of `sluice query --json`: a list of objects, a row each."""
        columns = tuple(document[0]) if document else ()
        return cls(columns, tuple(tuple(row.values()) for row in document))

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
