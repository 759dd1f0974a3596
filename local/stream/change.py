"""A change on its way from the stream: behind the filter, as it is passed on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamChange:
    """The payload of a stream record, or why it has none, with its place in the stream."""

    sequence_number: str
    created_at: float
    payload: bytes
    failure: str | None = None
