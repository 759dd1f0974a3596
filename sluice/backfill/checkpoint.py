"""How far a backfill is, kept in a file, so that one that was killed goes on where it was."""

from collections.abc import Iterable
from pathlib import Path
from threading import Lock

import msgspec
from msgspec import Struct

from sluice.errors import OperationError


class Position(Struct, omit_defaults=True):
    """How far one part of the source is."""

    after: str | None = None
    """Where to go on; None at the beginning."""
    items: int = 0
    """Items delivered."""
    done: bool = False


class _File(Struct):
    source: str
    parts: dict[str, Position]
    too_large: list[str] = []


class Checkpoint:
    """The positions of one backfill. It may be shared between threads."""

    def __init__(self, path: Path, file: _File) -> None:
        self._path = path
        self._file = file
        self._lock = Lock()

    @classmethod
    def begin(cls, path: Path, source: str, parts: Iterable[str]) -> "Checkpoint":
        """A new checkpoint, which replaces the file. Raises OperationError."""
        checkpoint = cls(path, _File(source, {part: Position() for part in parts}))
        checkpoint._write()
        return checkpoint

    @classmethod
    def load(cls, path: Path, source: str) -> "Checkpoint | None":
        """The checkpoint of an earlier run of this source, if any. Raises OperationError."""
        remedy = "name another file with --checkpoint, or begin anew with --restart"
        try:
            file = msgspec.json.decode(path.read_bytes(), type=_File)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OperationError(f"{path} cannot be read: {error.strerror}") from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise OperationError(f"{path} is no checkpoint of a backfill; {remedy}") from None
        if file.source != source:
            raise OperationError(
                f"{path} belongs to the backfill of {file.source}, not of {source}; {remedy}"
            )
        return cls(path, file)

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def parts(self) -> dict[str, Position]:
        """The position of each part of the source."""
        return dict(self._file.parts)

    @property
    def items(self) -> int:
        """Items delivered so far, in all runs."""
        return sum(position.items for position in self._file.parts.values())

    @property
    def too_large(self) -> list[str]:
        """Keys, as DynamoDB JSON, of items that no Firehose record can hold."""
        return list(self._file.too_large)

    @property
    def done(self) -> bool:
        """Whether every part is delivered."""
        return all(position.done for position in self._file.parts.values())

    def advance(
        self, part: str, after: str | None, items: int, too_large: Iterable[str] = ()
    ) -> None:
        """Note a page as delivered; `after` is None for the last one. Raises OperationError."""
        with self._lock:
            position = self._file.parts[part]
            position.after, position.done = after, after is None
            position.items += items
            self._file.too_large += too_large
            self._write()

    def _write(self) -> None:
        """Replace the file whole, so that a kill at any moment leaves the old one or the new."""
        draft = self._path.with_name(self._path.name + ".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(msgspec.json.encode(self._file))
            draft.replace(self._path)
        except OSError as error:
            raise OperationError(
                f"the checkpoint {self._path} cannot be written: {error.strerror}; "
                "name another file with --checkpoint"
            ) from None
