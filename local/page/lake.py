"""The lake of a stack: new objects are read once, and remembered."""

import logging
import time
from collections import Counter
from collections.abc import Sequence

from chalicelib.objects import Stored
from chalicelib.partitions import DATA_PREFIX
from local.page.snapshot import LakeObject, LakeState
from sluice.compaction.size import compacted_sizes
from sluice.lake import objects, read_objects
from sluice.stack import Stack

LATEST_MAX = 8
LINE_CHARACTERS_MAX = 2000
READING_SECONDS = 0.4
"""One call reads objects no longer than this; the next call goes on."""

_log = logging.getLogger(__name__)


class LakeReader:
    """Reads the objects of a lake as they arrive. One thread may use it."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._read: dict[str, LakeObject] = {}
        self._compacted: int | None = None

    def read(self) -> tuple[LakeState, Sequence[bytes]]:
        """Return the lake as of now, and the lines of the objects that this call read."""
        stored = {each.key: each for each in objects(self._stack, DATA_PREFIX)}
        if self._compacted is None or not self._read.keys() <= stored.keys():
            history, _ = compacted_sizes(self._stack)
            self._compacted = history.rows or 0
        self._read = {key: each for key, each in self._read.items() if key in stored}
        unread = [each for key, each in stored.items() if key not in self._read]
        new_lines = self._read_newest(unread)
        partitions: Counter[str] = Counter()
        for key in stored:
            records = self._read[key].records if key in self._read else 0
            partitions[key[: key.rindex("/") + 1]] += records
        latest = sorted(self._read.values(), key=lambda each: each.modified, reverse=True)
        lake = LakeState(
            objects=len(stored),
            unread=len(stored) - len(self._read),
            bytes=sum(each.size for each in stored.values()),
            partitions=dict(partitions),
            latest=tuple(latest[:LATEST_MAX]),
            damaged=tuple(each.key for each in latest if each.damaged),
            compacted=self._compacted,
        )
        return lake, new_lines

    def _read_newest(self, unread: list[Stored]) -> list[bytes]:
        """Read the newest objects first, for as long as one call may. Returns their lines."""
        new_lines: list[bytes] = []
        deadline = time.monotonic() + READING_SECONDS
        for each in sorted(unread, key=lambda stored: stored.modified, reverse=True):
            if time.monotonic() > deadline:
                break
            content, damaged = self._content(each)
            last = content[-1].decode(errors="replace")[:LINE_CHARACTERS_MAX] if content else ""
            modified = each.modified.timestamp()
            self._read[each.key] = LakeObject(each.key, modified, len(content), last, damaged)
            new_lines += content
        return new_lines

    def _content(self, stored: Stored) -> tuple[list[bytes], bool]:
        """Return the readable lines of an object, and whether it is damaged."""
        problems: list[str] = []
        ((_, content),) = read_objects(self._stack, [stored], problems)
        for problem in problems:
            _log.warning("%s", problem)
        return content, bool(problems)
