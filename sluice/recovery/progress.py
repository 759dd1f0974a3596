"""The lines of an error object that were replayed, kept in a small object during a replay.

An error object is never changed. It moves once its last line is noted here; until then its noted
lines no longer count as quarantined, and no replay resends them. So it is with the changes of a
batch that the feed function gave up, and `sluice redrive`.
"""

from collections.abc import Collection, Iterable

import msgspec
from msgspec import Struct

from chalicelib.partitions import ERROR_PREFIX, FEED_FAILURES, REPLAYED_PREFIX
from sluice.errors import OperationError
from sluice.lake import keys
from sluice.stack import Stack

PROGRESS_PREFIX = REPLAYED_PREFIX + ".progress/"

LINE_MAX = 10_000_000
"""Of an error object; its lines are above a hundred bytes, and its size is bounded."""

_SUFFIX = ".json"


class Note(Struct):
    """The content of a progress object: the replayed lines as ranges, both ends included."""

    replayed: list[tuple[int, int]]


def ranges(lines: Collection[int]) -> list[tuple[int, int]]:
    """Return line numbers as ranges, in order."""
    merged: list[tuple[int, int]] = []
    for line in sorted(lines):
        if merged and line == merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], line)
        else:
            merged.append((line, line))
    return merged


class Progress:
    """The progress objects of one stack."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._noted = {_noted(name) for name, _ in keys(stack, PROGRESS_PREFIX)}

    def replayed(self, key: str) -> set[int]:
        """Return the lines of an error object that were replayed already."""
        if key not in self._noted:
            return set()
        body = self._stack.s3.get_object(Bucket=self._stack.bucket, Key=_name(key))["Body"].read()
        try:
            return _lines(msgspec.json.decode(body, type=Note))
        except (ValueError, RecursionError):
            raise OperationError(
                f"s3://{self._stack.bucket}/{_name(key)} does not say which lines were replayed; "
                "restore its former version, or delete it to resend all of them"
            ) from None

    def note(self, key: str, lines: Collection[int]) -> None:
        """Note all lines of an error object that were replayed so far."""
        self._noted.add(key)
        self._stack.s3.put_object(
            Bucket=self._stack.bucket,
            Key=_name(key),
            Body=msgspec.json.encode(Note(ranges(lines))),
            ContentType="application/json",
        )

    def forget(self, key: str) -> None:
        """Remove the note of an error object that has moved."""
        self._noted.discard(key)
        self._stack.s3.delete_object(Bucket=self._stack.bucket, Key=_name(key))

    def forget_all_but(self, existing: Iterable[str], prefix: str) -> None:
        """Remove notes whose object below a prefix is gone: a replay ended between its last two
        steps."""
        for key in self._noted - set(existing):
            if key.startswith(prefix):
                self.forget(key)


def _lines(note: Note) -> set[int]:
    """Return the lines of a note. Raises ValueError for ranges that no replay noted."""
    if not all(1 <= first <= last <= LINE_MAX for first, last in note.replayed):
        raise ValueError("a range is impossible")
    return {line for first, last in note.replayed for line in range(first, last + 1)}


def _noted(name: str) -> str:
    """Return the key of the object that a note is of."""
    key = name.removeprefix(PROGRESS_PREFIX).removesuffix(_SUFFIX)
    return key if key.startswith(FEED_FAILURES) else ERROR_PREFIX + key


def _name(key: str) -> str:
    return PROGRESS_PREFIX + key.removeprefix(ERROR_PREFIX) + _SUFFIX
