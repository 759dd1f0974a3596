"""The steps of a replay or a redrive, between which it may be stopped."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Counts(Protocol):
    """The counts of a replay or a redrive."""

    accepted: int
    """Records that Firehose accepted."""


CountsT = TypeVar("CountsT", bound=Counts)


@dataclass(frozen=True, slots=True)
class Step(Generic[CountsT]):
    """How far it is. A step with zeros comes before anything is read."""

    counts: CountsT
    """The counts so far. Every step has the same object, which goes on counting."""
    done: float = 0
    """Objects or messages that are done, the last one in part."""
    total: int | None = None
    loss: str | None = None
    """A sentence on changes that do not come back."""
