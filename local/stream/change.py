"""A change on its way through the pipe, after filter and template."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PipedChange:
    """The payload of a stream record, or why it has none, with its place in the stream."""

    sequence_number: str
    created_at: float
    payload: bytes
    failure: str | None = None
