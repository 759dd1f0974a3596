"""The sources of a backfill, and the change that it makes of an item."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, Protocol

import msgspec
from msgspec import Raw

from chalicelib.change import SNAPSHOT


class SourceItem(NamedTuple):
    """An item of the table, in DynamoDB JSON."""

    keys: bytes
    """Only its key attributes, in the order of the table's key schema."""
    image: bytes
    outranks: str = ""
    """The changeSequence, without a time of reading, that its snapshot must come right after."""


@dataclass(frozen=True, slots=True)
class Page:
    """Items of one part of a source."""

    moment: int
    """Epoch milliseconds at which the reading began. Whatever changed later is in the stream."""
    items: list[SourceItem]
    after: str | None
    """Where the part goes on; None at its end."""


class Source(Protocol):
    """Where a backfill reads the items."""

    @property
    def identity(self) -> str:
        """The name of the source in a checkpoint: different for every table and every export."""

    @property
    def item_count(self) -> int:
        """The approximate number of items."""

    def parts(self) -> list[str]:
        """Return the names of the parts to read; every item is in exactly one of them."""

    def accepts(self, places: Mapping[str, str | None]) -> bool:
        """Whether parts and the places to go on from can be of this source."""

    def pages(self, part: str, after: str | None) -> Iterator[Page]:
        """Yield the pages of a part, from the place where an earlier page ended."""


def snapshot(item: SourceItem, moment: int) -> bytes:
    """Return the SNAPSHOT change of an item, spelled as the pipe spells a change.

    The event's id follows from the key and the moment, so that the same reading of an item, put
    twice, is recognized as a duplicate.
    """
    event_id = blake2b(b"%b@%d" % (item.keys, moment), digest_size=16).hexdigest()
    sequence = f"{item.outranks}.{moment:013}" if item.outranks else str(moment)
    return msgspec.json.encode(
        {
            "eventID": event_id,
            "eventName": SNAPSHOT,
            "dynamodb": {
                "ApproximateCreationDateTime": moment / 1000,
                "Keys": Raw(item.keys),
                "NewImage": Raw(item.image),
                "SequenceNumber": sequence,
            },
            "userIdentity": "",
        }
    )
