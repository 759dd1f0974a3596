"""A change on its way through the pipe, after filter and template."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PipedChange:
    """What is sent of one record, or why nothing can be; where and when it was in the stream."""

    sequence_number: str
    created_at: float
    payload: bytes
    failure: str | None = None
