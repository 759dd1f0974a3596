"""PutRecordBatch: limits kept, refusals put again."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.firehose import ATTEMPTS, DeliveryStream, RefusedError
from tests.fakes import STREAM, FakeFirehose


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def firehose_server() -> FakeFirehose:
    return FakeFirehose()


@pytest.fixture
def stream(firehose_server: Any, pauses: list[float]) -> DeliveryStream:
    return DeliveryStream(firehose_server, STREAM, pauses.append)


def test_batches_stay_within_500_records(
    stream: DeliveryStream, firehose_server: FakeFirehose
) -> None:
    accepted = list(stream.put([b"%d" % n for n in range(1001)]))
    assert [len(batch) for batch in firehose_server.batches] == [500, 500, 1]
    assert [index for indexes in accepted for index in indexes] == list(range(1001))


def test_batches_stay_within_4_mib(stream: DeliveryStream, firehose_server: FakeFirehose) -> None:
    list(stream.put([bytes(1_024_000)] * 5 + [b"small"]))
    assert [len(batch) for batch in firehose_server.batches] == [4, 2]


def test_only_what_was_refused_is_put_again(
    stream: DeliveryStream, firehose_server: FakeFirehose, pauses: list[float]
) -> None:
    firehose_server.refuse = lambda payloads: {1, 2} if len(payloads) == 4 else set()
    assert list(stream.put([b"a", b"b", b"c", b"d"])) == [[0, 3], [1, 2]]
    assert firehose_server.batches[1] == [b"b", b"c"]
    assert len(pauses) == 1


def test_an_overloaded_service_is_tried_again_with_growing_pauses(
    stream: DeliveryStream, firehose_server: FakeFirehose, pauses: list[float]
) -> None:
    firehose_server.refuse = lambda _: (
        (503, "ServiceUnavailableException") if len(firehose_server.batches) < 4 else set()
    )
    assert list(stream.put([b"a"])) == [[0]]
    assert pauses == sorted(set(pauses))
    assert len(pauses) == 3


def test_what_stays_refused_ends_in_an_error_after_the_accepted_was_reported(
    stream: DeliveryStream, firehose_server: FakeFirehose
) -> None:
    firehose_server.refuse = lambda payloads: {n for n, each in enumerate(payloads) if each == b"b"}
    answers = stream.put([b"a", b"b"])
    assert next(answers) == [0]
    with pytest.raises(RefusedError, match=f"records {ATTEMPTS} times, 1 at last: Serv"):
        next(answers)
    assert len(firehose_server.batches) == ATTEMPTS


def test_an_error_that_no_waiting_mends_is_raised_at_once(
    stream: DeliveryStream, firehose_server: FakeFirehose
) -> None:
    firehose_server.refuse = lambda _: (400, "ResourceNotFoundException")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        list(stream.put([b"a"]))
    assert len(firehose_server.batches) == 1
