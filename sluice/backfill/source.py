"""What a backfill reads from, and the change that it makes of an item."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, Protocol

import msgspec
from msgspec import Raw

from chalicelib.change import SNAPSHOT


class Found(NamedTuple):
    """An item as the source shows it, in DynamoDB JSON."""

    keys: bytes
    """Its key attributes alone, in the order of the table's key schema."""
    image: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """Items of one part of a source."""

    moment: int
    """Epoch milliseconds at which the reading began: never after the state it shows, but for
    changes that the stream carries."""
    items: list[Found]
    after: str | None
    """Where the part goes on; None at its end."""


class Source(Protocol):
    """Where a backfill takes the items from."""

    @property
    def identity(self) -> str:
        """What a checkpoint belongs to: other for every table and every export."""

    @property
    def item_count(self) -> int:
        """About how many items there are."""

    def parts(self) -> list[str]:
        """The names of the parts to read; every item is in exactly one of them."""

    def pages(self, part: str, after: str | None) -> Iterator[Page]:
        """The pages of a part, from the place on where an earlier page ended."""


def snapshot(item: Found, moment: int) -> bytes:
    """The SNAPSHOT change of an item, spelt as the pipe spells a change.

    The event's id follows from the key and the moment, so the same reading of an item, put twice,
    is seen to be a duplicate.
    """
    event_id = blake2b(b"%b@%d" % (item.keys, moment), digest_size=16).hexdigest()
    return msgspec.json.encode(
        {
            "eventID": event_id,
            "eventName": SNAPSHOT,
            "dynamodb": {
                "ApproximateCreationDateTime": moment / 1000,
                "Keys": Raw(item.keys),
                "NewImage": Raw(item.image),
                "SequenceNumber": str(moment),
            },
            "userIdentity": "",
        }
    )
