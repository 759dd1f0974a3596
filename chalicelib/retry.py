"""Requests to AWS that are worth repeating, and how long to wait before each retry.

botocore's own retry modes are not enough where these are used: they do not see the records of a
batch that were refused one by one, and nothing can interrupt their pauses.
"""

from collections.abc import Callable, Iterator
from http import HTTPStatus

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

NO_ANSWER = (HTTPClientError, ConnectionError)
"""botocore's errors of a request that got no answer."""

REQUEST_ERRORS = (ClientError, *NO_ANSWER)
"""The errors of a request that AWS refused or did not answer."""

THROTTLED = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)


def error_code(error: ClientError) -> str:
    """Return the code of AWS's answer."""
    return error.response.get("Error", {}).get("Code", "")


def is_throttled(error: ClientError) -> bool:
    """Whether AWS asks to slow down."""
    return error_code(error) in THROTTLED or _status(error) == HTTPStatus.TOO_MANY_REQUESTS


def is_passing(error: Exception) -> bool:
    """Whether the same request may succeed later: throttled, failed inside AWS, or unanswered."""
    if isinstance(error, ClientError):
        return is_throttled(error) or is_passing_status(_status(error))
    return isinstance(error, NO_ANSWER)


def is_passing_status(status: int) -> bool:
    """Whether a request answered with this HTTP status may succeed later."""
    return status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def backoff(retry: int, first: float, longest: float) -> float:
    """Return the seconds to wait before the n-th retry, from 1 on: doubled each time."""
    return min(first * 2.0 ** min(retry - 1, 60), longest)


def retrying(
    attempts: int, first: float, longest: float, pause: Callable[[float], object]
) -> Iterator[int]:
    """Yield the numbers of the attempts, from 1 on, with a growing pause before each retry."""
    for attempt in range(1, attempts + 1):
        if attempt > 1:
            pause(backoff(attempt - 1, first, longest))
        yield attempt
