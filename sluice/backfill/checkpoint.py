"""How far a backfill is, kept in a file, so that one that was killed goes on where it was."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from threading import Lock

from msgspec import Struct

from chalicelib.attributes import from_text
from sluice.errors import OperationError
from sluice.state import StateFile


class Position(Struct, omit_defaults=True):
    """How far one part of the source is."""

    after: str | None = None
    """Where to go on; None at the beginning."""
    items: int = 0
    """Items delivered."""
    done: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for a position that no backfill notes."""
        if self.items < 0 or (self.done and self.after is not None):
            raise ValueError("a position is impossible")


class _Content(Struct):
    source: str
    parts: dict[str, Position]
    too_large: list[str] = []
    held_back: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError, or what msgspec raises, for a key that is not DynamoDB JSON."""
        for key in self.too_large:
            from_text(key)


_REMEDY = "name another file with --checkpoint, or begin anew with --restart"


def _state_file(path: Path) -> StateFile[_Content]:
    return StateFile(path, _Content, "a checkpoint of a backfill", _REMEDY)


class BackfillCheckpoint:
    """The positions of one backfill. It may be shared between threads."""

    def __init__(self, file: StateFile[_Content], content: _Content) -> None:
        self._file = file
        self._content = content
        self._lock = Lock()

    @classmethod
    def begin(cls, path: Path, source: str, parts: Iterable[str]) -> "BackfillCheckpoint":
        """Return a new checkpoint, which replaces the file. Raises OperationError."""
        content = _Content(source, {part: Position() for part in parts})
        file = _state_file(path)
        file.write(content)
        return cls(file, content)

    @classmethod
    def load(
        cls,
        path: Path,
        source: str,
        accepts: Callable[[Mapping[str, str | None]], bool] = lambda _: True,
    ) -> "BackfillCheckpoint | None":
        """Return the checkpoint of an earlier run of this source, if any. Raises OperationError.

        `accepts` says whether the source can go on from the places of its parts.
        """
        file = _state_file(path)
        content = file.read()
        if content is None:
            return None
        if content.source != source:
            raise OperationError(
                f"{path} belongs to the backfill of {content.source}, not of {source}; {_REMEDY}"
            )
        if not accepts({part: position.after for part, position in content.parts.items()}):
            raise OperationError(
                f"{path} has positions that no backfill of {source} noted; {_REMEDY}"
            )
        return cls(file, content)

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    @property
    def parts(self) -> dict[str, Position]:
        """The position of each part of the source."""
        return dict(self._content.parts)

    @property
    def items(self) -> int:
        """Items delivered so far, in all runs."""
        return sum(position.items for position in self._content.parts.values())

    @property
    def too_large(self) -> list[str]:
        """Keys, as DynamoDB JSON, of items that no Firehose record can hold."""
        return list(self._content.too_large)

    @property
    def held_back(self) -> int:
        """Items of erased keys, which were not delivered, in all runs."""
        return self._content.held_back

    @property
    def done(self) -> bool:
        """Whether every part is delivered."""
        return all(position.done for position in self._content.parts.values())

    def advance(
        self,
        part: str,
        after: str | None,
        items: int,
        too_large: Iterable[str] = (),
        held_back: int = 0,
    ) -> None:
        """Note a page as delivered; `after` is None for the last one. Raises OperationError."""
        with self._lock:
            position = self._content.parts[part]
            position.after, position.done = after, after is None
            position.items += items
            self._content.too_large += too_large
            self._content.held_back += held_back
            self._file.write(self._content)
