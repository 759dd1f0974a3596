"""Which requests to AWS are worth repeating, and when."""

from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
)

from chalicelib.retry import backoff, is_passing, is_throttled, retrying


def refusal(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "PutRecordBatch")


def test_throttling_faults_of_aws_and_silence_pass() -> None:
    assert is_throttled(refusal("ThrottlingException", 400))
    assert is_passing(refusal("ThrottlingException", 400))
    assert is_passing(refusal("ServiceUnavailableException", 503))
    assert is_passing(EndpointConnectionError(endpoint_url="http://127.0.0.1"))
    assert is_passing(ConnectTimeoutError(endpoint_url="http://127.0.0.1"))


def test_no_waiting_helps_against_a_mistake() -> None:
    assert not is_throttled(refusal("ServiceUnavailableException", 503))
    assert not is_passing(refusal("AccessDeniedException", 400))
    assert not is_passing(NoCredentialsError())


@pytest.mark.parametrize(("retry", "seconds"), [(1, 0.2), (2, 0.4), (5, 3.2), (6, 5), (10_000, 5)])
def test_each_wait_is_twice_the_last_up_to_the_longest(retry: int, seconds: float) -> None:
    assert backoff(retry, 0.2, 5) == seconds


def test_each_retry_follows_a_pause_and_the_last_is_followed_by_none() -> None:
    pauses: list[float] = []
    attempts = [(attempt, len(pauses)) for attempt in retrying(4, 0.2, 0.5, pauses.append)]
    assert attempts == [(1, 0), (2, 1), (3, 2), (4, 3)]
    assert pauses == [0.2, 0.4, 0.5]
