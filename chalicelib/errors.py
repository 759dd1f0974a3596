"""The exceptions of all that ships to Lambda.

RecordError                 a record that the lake cannot hold: the transform fails only it
├── ChangeError             it cannot be read as a change of the table
└── PartitionError          a value cannot name a partition
Problem                     a reason for refusing a request, with the status of the API's answer
├── Invalid                 a body or parameter breaks a rule
├── TooLarge                a body or a record is above its limit
├── NotFound                there is no such record
└── Unavailable             the table cannot serve now
    └── Throttled           DynamoDB takes no more requests for now

A type or layout that cannot be stored raises Python's own TypeError when it is declared.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec


class RecordError(ValueError):
    """A record that cannot be stored; the message names the part and the rule, never a value."""


class ChangeError(RecordError):
    """A record that is not a change of the table, or a change that cannot be read."""


class PartitionError(RecordError):
    """A value that cannot name a partition."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field} {rule}")
        self.field = field
        self.rule = rule


class FieldError(msgspec.Struct, frozen=True):
    """One error in a body: its place, a JSON pointer (as a URI fragment), and a sentence."""

    pointer: str
    detail: str


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """A reason for refusing a request, answered with this status."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}


class Invalid(Problem):
    """A body or parameter that breaks a rule."""

    def __init__(self, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(HTTPStatus.BAD_REQUEST, detail, errors)


class TooLarge(Problem):
    """A body or a record above its limit."""

    def __init__(self, detail: str) -> None:
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


class NotFound(Problem):
    """A record that does not exist."""

    def __init__(self, detail: str) -> None:
        super().__init__(HTTPStatus.NOT_FOUND, detail)


class Unavailable(Problem):
    """A table that cannot serve now. `retry_after` is in seconds, if trying again may help."""

    def __init__(
        self, detail: str, retry_after: int | None = None, errors: Sequence[FieldError] = ()
    ) -> None:
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, detail, errors, headers)
        self.retry_after = retry_after


class Throttled(Unavailable):
    """A table that takes no more requests for now."""
