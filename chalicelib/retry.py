"""Requests to AWS that are worth repeating, and how long to wait before each retry.

botocore's own retry modes are not enough where these are used: they do not see the records of a
batch that were refused one by one, and nothing can interrupt their pauses.
"""

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

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
    return error_code(error) in THROTTLED


def is_passing(error: Exception) -> bool:
    """Whether the same request may succeed later: throttled, failed inside AWS, or unanswered."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return is_throttled(error) or status >= 500
    return isinstance(error, HTTPClientError | ConnectionError)


def backoff(retry: int, first: float, longest: float) -> float:
    """Return the seconds to wait before the n-th retry, from 1 on: doubled each time."""
    return min(first * 2.0 ** min(retry - 1, 60), longest)
