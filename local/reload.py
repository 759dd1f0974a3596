"""Deploys the declaration again when its file is saved, while a local run goes on."""

from collections.abc import Callable
from pathlib import Path

from chalicelib.declaration import Key, Table
from chalicelib.declared import read_anew
from chalicelib.errors import SchemaError
from local.processes import LocalRunError
from local.session import Report


class Reloader:
    """Watches the file of a declaration."""

    def __init__(
        self, file: Path, table: Table, redeploy: Callable[[], None], report: Report
    ) -> None:
        """`table` is what is deployed; `redeploy` deploys what the file declares by then."""
        self._file = file
        self._key = table.key
        self._redeploy = redeploy
        self._report = report
        self._content = file.read_bytes()

    def look(self) -> None:
        """Deploy again if the file has other content than before.

        What cannot be deployed is reported, and what was deployed before goes on.
        """
        try:
            content = self._file.read_bytes()
        except OSError:
            return  # Some editors replace a file in two steps.
        if content == self._content:
            return
        self._content = content
        try:
            self._require_same_key(read_anew(self._file))
            self._report(f"{self._file} was saved; deploying it, which keeps table and lake")
            self._redeploy()
        except (SchemaError, LocalRunError) as error:
            self._report(f"{error}\nThe declaration from before stays deployed.")
        else:
            self._report("deployed; new changes are lines of the new declaration")

    def _require_same_key(self, table: Table) -> None:
        if _attributes(table.key) != _attributes(self._key):
            raise LocalRunError(
                f"{self._file} declares the key {_described(table.key)}, and a table's key cannot "
                f"change: it is {_described(self._key)}. End the run and start it again, which "
                "makes another table, or take the key back"
            )


def _attributes(key: tuple[Key, ...]) -> list[tuple[str, str]]:
    return [(each.name, each.type) for each in key]


def _described(key: tuple[Key, ...]) -> str:
    return ", ".join(f"{each.name} ({each.type})" for each in key)
