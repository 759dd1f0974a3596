"""What backfills are tested with: a source in memory, and a way to stop that only notes pauses."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chalicelib.firehose import DeliveryStream
from sluice.backfill.checkpoint import BackfillCheckpoint
from sluice.backfill.source import Page, SourceItem
from sluice.backfill.stop import Stop
from sluice.stack import Stack
from tests.fakes import STREAM

MOMENT = 1_700_000_000_000


@dataclass
class MemorySource:
    """Parts that are lists of pages, which are lists of names."""

    content: dict[str, list[list[str]]]
    identity: str = "memory"
    before_page: Callable[[str, int], None] = lambda _part, _number: None
    read: list[tuple[str, int]] = field(default_factory=list)

    @property
    def item_count(self) -> int:
        return sum(len(page) for pages in self.content.values() for page in pages)

    def parts(self) -> list[str]:
        return list(self.content)

    def accepts(self, places: Mapping[str, str | None]) -> bool:
        return places.keys() == self.content.keys()

    def pages(self, part: str, after: str | None) -> Iterator[Page]:
        pages = self.content[part]
        for number in range(int(after or 0), len(pages)):
            self.before_page(part, number)
            self.read.append((part, number))
            following = str(number + 1) if number + 1 < len(pages) else None
            yield Page(MOMENT + number, [found(name) for name in pages[number]], following)


def found(name: str, rest: str = "") -> SourceItem:
    return SourceItem(
        b'{"id":{"S":"%b"}}' % name.encode(),
        b'{"id":{"S":"%b"},"siteId":{"S":"1"},"createdAtTime":{"N":"0"},"name":{"S":"%b"}}'
        % (name.encode(), rest.encode()),
    )


@dataclass
class Unhurried(Stop):
    """Does not sleep."""

    pauses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def pause(self, seconds: float = 0) -> None:
        super().pause()
        self.pauses.append(seconds)


@pytest.fixture
def stop() -> Unhurried:
    return Unhurried()


@pytest.fixture
def stream(stack: Stack, stop: Unhurried) -> DeliveryStream:
    return DeliveryStream(stack.firehose, STREAM, stop.pause)


@pytest.fixture
def checkpoint_of(tmp_path: Path) -> Callable[[MemorySource], BackfillCheckpoint]:
    """The checkpoint of a source as the next run finds it."""

    def open_checkpoint(source: MemorySource) -> BackfillCheckpoint:
        path = tmp_path / "state" / "checkpoint.json"
        found = BackfillCheckpoint.load(path, source.identity)
        return found or BackfillCheckpoint.begin(path, source.identity, source.parts())

    return open_checkpoint
