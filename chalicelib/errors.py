"""Every exception of the project, and those of all that ships to Lambda.

SluiceError                         an error of ours; its message is for a person to read
├── RecordError                     a record that the lake cannot hold: the transform fails only it
│   ├── ChangeError                 it cannot be read as a change of the table
│   └── PartitionError              a value cannot name a partition
├── Problem                         a reason for refusing a request, with the answer's status
│   ├── Invalid                     a body or parameter breaks a rule
│   ├── TooLarge                    a body or a record is above its limit
│   ├── NotFound                    there is no such record
│   └── Unavailable                 the table cannot serve now
│       └── Throttled               DynamoDB takes no more requests for now
├── OperationError                  an operation cannot be done
│   ├── OptionError                 a command's options do not fit it, the table or the stack
│   ├── DamagedError                an object of the bucket is not what Firehose writes
│   ├── RefusedError                Firehose refused records at every attempt
│   ├── UnavailableError            a service does not answer now, or asks to slow down
│   ├── StatementError              Athena failed a statement of the compaction
│   ├── DeletionError               S3 does not delete an object
│   ├── UnreachedError              the stream has the changes, and gave too few of them
│   ├── StreamGoneError             the table's stream cannot be read, now or later
│   │   └── AgedOutError            the stream no longer has the place that was asked for
│   ├── ConfigError                 a delivery stream that the local Firehose cannot run
│   ├── JournalError                a journal of the local Firehose that cannot be used
│   └── DefinitionError             a pipe that AWS would refuse, or that the local one cannot run
│       ├── FilterError             a filter of it
│       └── TemplateError           its input template
├── SchemaError                     a declaration that cannot be used
├── StoppedError                    a backfill was asked to end
├── PlanError                       a workload or settings that cannot be planned
├── SettingsError                   settings that cannot be deployed
├── PackagingError                  the functions' package cannot be built
├── NotAskedError                   AWS could not be asked about the table to follow
├── LocalRunError                   the local run cannot go on
├── CommandError                    a command that the page ran has failed
│   └── ArgumentError               a value cannot be passed to a command
├── WireError                       a request that the local Firehose refuses, with AWS's code
├── PrefixError                     a prefix that cannot be evaluated
├── ColumnTypeError                 a column's type that the local Firehose cannot convert to
├── ColumnMismatchError             a value that its column cannot hold
└── TransformationFailed            a record for which the local pipe's payload would be invalid

A type or layout that cannot be stored raises Python's own TypeError when it is declared.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec

ERRORS_MAX = 5_000
"""Errors in one answer, so that it stays within the limit of a function's response."""


class SluiceError(Exception):
    """An error of this project; the message is for a person to read."""


class OperationError(SluiceError):
    """Why an operation cannot be done, and the remedy, in words for a person."""


class RecordError(SluiceError):
    """A record that cannot be stored; the message names the part and the rule, never a value."""


class ChangeError(RecordError):
    """A record that is not a change of the table, or a change that cannot be read."""


class PartitionError(RecordError):
    """A value that cannot name a partition."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field} {rule}")
        self.field = field
        self.rule = rule


class SchemaError(SluiceError):
    """A declaration that cannot be used; the message has a line for every mistake."""

    def __init__(self, file: str, errors: Sequence[str]) -> None:
        super().__init__(
            "\n".join([f"The declaration {file} cannot be used:", *(f"- {e}" for e in errors)])
        )
        self.errors = tuple(errors)


class FieldError(msgspec.Struct, frozen=True):
    """One error in a body: its place, a JSON pointer (as a URI fragment), and a sentence."""

    pointer: str
    detail: str


class Problem(SluiceError):  # noqa: N818 - the word of RFC 9457
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
