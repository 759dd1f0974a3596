"""Structure out of a fuzzer's bytes: decisions read off them one after another."""

from collections.abc import Sequence
from typing import Any, TypeVar
from zlib import crc32

T = TypeVar("T")

TEXTS = ("", "a", "b", "ab", "A", "S", "N", '"', "\\", "é", "\U0001f600", "/", "%", "\n", "\u0000")
NUMBERS = (0, 1, -1, 300, 5_000_000_000, 2**53 + 1, 2**64, 0.5, 1e300, -0.0)


def is_rare(data: bytes, one_in: int) -> bool:
    """Whether an input is one in so many, by its checksum, to be made large and slow.

    Were it a bit of the input that says so, the slow ones would breed.
    """
    return crc32(data) % one_in == 0


class Choices:
    """Equal bytes make equal decisions. Once they have run out, each decision is the first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def below(self, limit: int) -> int:
        """A number from 0 to one less than a limit of at most 256."""
        if self._place >= len(self._data):
            return 0
        self._place += 1
        return self._data[self._place - 1] % limit

    def pick(self, options: Sequence[T]) -> T:
        """One of some options."""
        return options[self.below(len(options))]

    def flag(self) -> bool:
        """Yes or no."""
        return self.below(2) == 1

    def raw(self, length: int) -> bytes:
        """The next bytes, as many as there are."""
        self._place += length
        return self._data[self._place - length : self._place]

    def rest(self) -> bytes:
        """All further bytes."""
        return self.raw(len(self._data))

    def text(self) -> str:
        """A text: one of a few that are likely to matter, or any of up to 15 bytes."""
        form = self.below(32)
        if form < len(TEXTS):
            return TEXTS[form]
        return self.raw(form - len(TEXTS)).decode(errors="ignore")

    def scalar(self) -> Any:
        """A JSON value without parts."""
        match self.below(8):
            case 0:
                return None
            case 1:
                return self.flag()
            case 2 | 3:
                return self.pick(NUMBERS)
        return self.text()

    def json(self, names: Sequence[str], depth: int = 3) -> Any:
        """A JSON value, whose objects have members of these names."""
        match self.below(4) if depth else 0:
            case 1:
                return [self.json(names, depth - 1) for _ in range(self.below(4))]
            case 2 | 3:
                return self.members(names, depth - 1)
        return self.scalar()

    def members(self, names: Sequence[str], depth: int = 3) -> dict[str, Any]:
        """A JSON object with members of these names."""
        return {self.pick(names): self.json(names, depth) for _ in range(self.below(5))}
