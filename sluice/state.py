"""Files that keep how far a run is, for the next run or for others to read."""

from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from sluice.errors import OperationError

T = TypeVar("T")


class StateFile(Generic[T]):
    """A JSON file of one type. Each write is whole or does not happen."""

    def __init__(self, path: Path, content: type[T], noun: str, remedy: str) -> None:
        """`noun` says what the file is, and `remedy` what to do when it is not."""
        self.path = path
        self._content = content
        self._noun = noun
        self._remedy = remedy

    def read(self) -> T | None:
        """Return the content; None when there is no file. Raises OperationError."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=self._content)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OperationError(f"{self.path} cannot be read: {error.strerror}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise OperationError(
                f"{self.path} is not {self._noun} ({error}); {self._remedy}"
            ) from None

    def write(self, content: T) -> None:
        """Replace the file, so that a reader or a kill finds the old content or the new.

        Raises OperationError.
        """
        draft = self.path.with_name(self.path.name + ".new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(msgspec.json.encode(content))
            draft.replace(self.path)
        except OSError as error:
            raise OperationError(
                f"{self.path} cannot be written: {error.strerror}; give it a place to write to, "
                "and room there"
            ) from None
