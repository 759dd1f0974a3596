import time
from collections.abc import Callable, Sequence
from typing import Any

import boto3
import pytest
from botocore.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.firehose import DeliveryStream
from local.pipe.dead_letter import DeadLetterQueue
from local.pipe.delivery import PipeDelivery
from local.stream.change import StreamChange
from local.stream.delivery import Backoff, exponential_backoff
from local.stream.status import Status
from tests.fakes import STREAM, FakeFirehose

SHARD = "shardId-1"


def changes(*payloads: str, age: float = 0) -> list[StreamChange]:
    return [
        StreamChange(f"{n:021}", time.time() - age, payload.encode())
        for n, payload in enumerate(payloads)
    ]


class Bench:
    """A delivery with its collaborators at hand; waits pass on the virtual clock."""

    def __init__(self, delivery: PipeDelivery, status: Status, clock: Any) -> None:
        self.delivery = delivery
        self.status = status
        self.clock = clock

    def deliver(self, batch: Sequence[StreamChange]) -> None:
        for pause in self.delivery.deliver(SHARD, batch):
            self.clock.sleep(pause)


Make = Callable[..., Bench]


@pytest.fixture
def bench(define: Any, target: DeliveryStream, sqs: Any, clock: Any) -> Make:
    def make(target: DeliveryStream = target, **differences: Any) -> Bench:
        definition = define(**differences)
        status = Status(name="changes", stream_arn="arn", started_at=0)
        dead_letters = DeadLetterQueue.of(definition, sqs)
        delivery = PipeDelivery(definition, target, dead_letters, status, clock, float)
        return Bench(delivery, status, clock)

    return make


def refuse(*poison: bytes) -> Callable[[list[bytes]], set[int]]:
    return lambda payloads: {n for n, payload in enumerate(payloads) if payload in poison}


def refuse_whole_batch(*poison: bytes) -> Callable[[list[bytes]], Any]:
    return lambda payloads: (
        (400, "InvalidArgumentException") if set(poison) & set(payloads) else set()
    )


def test_a_batch_is_one_call_in_order(bench: Make, firehose_server: Any) -> None:
    made = bench()
    made.deliver(changes("a", "b", "c"))
    assert firehose_server.batches == [[b"a", b"b", b"c"]]
    assert made.status.delivered == 3
    assert made.clock.slept == []


def test_only_the_failed_remainder_is_resent(bench: Make, firehose_server: Any) -> None:
    attempts = iter([{1, 3}, {0}])
    firehose_server.refuse = lambda _payloads: next(attempts, set())
    made = bench()
    made.deliver(changes("a", "b", "c", "d"))
    assert firehose_server.batches == [[b"a", b"b", b"c", b"d"], [b"b", b"d"], [b"b"]]
    assert made.status.delivered == 4
    assert made.status.retries == 2
    assert made.clock.slept == [1, 2]


def test_after_its_retries_the_remainder_is_dead_lettered_as_pointers(
    bench: Make, firehose_server: Any, queue: Any
) -> None:
    firehose_server.refuse = refuse(b"bad", b"worse")
    made = bench(dead_letter_arn=queue.arn, maximum_retry_attempts=2)
    batch = changes("a", "bad", "b", "worse")
    made.deliver(batch)
    assert firehose_server.batches[1:] == [[b"bad", b"worse"]] * 2
    assert (made.status.delivered, made.status.given_up) == (2, 2)
    (message,) = queue.messages()
    arrival = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(batch[1].created_at))
    assert message.pop("timestamp").endswith("Z")
    assert message == {
        "context": {
            "partnerResourceArn": "arn:aws:pipes:us-east-1:000000000000:pipe/changes",
            "condition": "RetryAttemptsExhausted",
        },
        "version": "1.0",
        "DDBStreamBatchInfo": {
            "shardId": SHARD,
            "startSequenceNumber": batch[1].sequence_number,
            "endSequenceNumber": batch[3].sequence_number,
            "approximateArrivalOfFirstRecord": arrival,
            "approximateArrivalOfLastRecord": arrival,
            "batchSize": 2,
            "streamArn": "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2023",
        },
    }


def test_without_bisect_one_poison_record_takes_its_batch_along(
    bench: Make, firehose_server: Any, queue: Any
) -> None:
    firehose_server.refuse = refuse_whole_batch(b"bad")
    made = bench(dead_letter_arn=queue.arn, maximum_retry_attempts=1)
    made.deliver(changes("a", "bad", "c"))
    assert firehose_server.batches == [[b"a", b"bad", b"c"]] * 2
    assert [message["DDBStreamBatchInfo"]["batchSize"] for message in queue.messages()] == [3]


def test_with_bisect_a_failing_batch_is_halved_down_to_the_one_record(
    bench: Make, firehose_server: Any, queue: Any
) -> None:
    firehose_server.refuse = refuse_whole_batch(b"bad")
    made = bench(dead_letter_arn=queue.arn, maximum_retry_attempts=1, bisect=True)
    made.deliver(changes("a", "b", "bad", "c"))
    assert firehose_server.batches == [
        [b"a", b"b", b"bad", b"c"],
        [b"a", b"b"],
        [b"bad", b"c"],
        [b"bad"],
        [b"bad"],
        [b"c"],
    ]
    assert firehose_server.taken == [b"a", b"b", b"c"]
    (message,) = queue.messages()
    assert message["DDBStreamBatchInfo"]["batchSize"] == 1
    assert message["DDBStreamBatchInfo"]["startSequenceNumber"] == f"{2:021}"


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(poison=st.lists(st.booleans(), min_size=1, max_size=24), bisect=st.booleans())
def test_every_record_is_dealt_with_once_and_in_order(
    bench: Make, poison: list[bool], bisect: bool
) -> None:
    names = [f"{'bad' if bad else 'good'}-{n}" for n, bad in enumerate(poison)]
    bad = [name.encode() for name in names if name.startswith("bad")]
    firehose: Any = FakeFirehose(refuse=refuse_whole_batch(*bad))
    made = bench(DeliveryStream(firehose, STREAM), maximum_retry_attempts=0, bisect=bisect)
    made.deliver(changes(*names))
    good = [name.encode() for name in names if name.startswith("good")]
    delivered = good if bisect or not bad else []
    assert firehose.taken == delivered
    assert made.status.delivered == len(delivered)
    assert made.status.dropped == len(names) - len(delivered)


def test_a_record_above_1000_kib_fails_alone_and_is_dead_lettered(
    bench: Make, firehose_server: Any, queue: Any
) -> None:
    made = bench(dead_letter_arn=queue.arn, bisect=True)
    made.deliver(changes("a", "x" * 1_024_001, "y" * 1_024_000))
    assert [len(payload) for payload in firehose_server.taken] == [1, 1_024_000]
    (message,) = queue.messages()
    assert message["DDBStreamBatchInfo"]["startSequenceNumber"] == f"{1:021}"
    assert message["context"]["condition"] == "RetryAttemptsExhausted"


def test_a_record_the_template_failed_on_is_never_put(
    bench: Make, firehose_server: Any, queue: Any
) -> None:
    made = bench(dead_letter_arn=queue.arn, bisect=True, maximum_retry_attempts=1)
    failed = StreamChange("7", time.time(), b"", "transformation failed: <$.x> is null")
    made.deliver([*changes("a", "b"), failed])
    assert firehose_server.taken == [b"a", b"b"]
    assert made.status.given_up == 1
    assert made.status.last_failure == "transformation failed: <$.x> is null"


def test_a_record_past_its_age_is_dead_lettered_untried(
    bench: Make, firehose_server: Any, queue: Any
) -> None:
    made = bench(dead_letter_arn=queue.arn, maximum_record_age_seconds=60)
    made.deliver([*changes("old", "older", age=61), *changes("new")])
    assert firehose_server.batches == [[b"new"]]
    (message,) = queue.messages()
    assert message["context"]["condition"] == "RecordAgeExceeded"
    assert message["DDBStreamBatchInfo"]["batchSize"] == 2


def test_unlimited_retries_end_with_the_records_age(
    bench: Make, firehose_server: Any, queue: Any
) -> None:
    firehose_server.refuse = refuse(b"bad")
    made = bench(
        dead_letter_arn=queue.arn, maximum_retry_attempts=-1, maximum_record_age_seconds=60
    )
    made.deliver(changes("bad"))
    assert made.status.retries == 11
    assert queue.messages()[0]["context"]["condition"] == "RecordAgeExceeded"


def test_without_any_limit_a_record_is_retried_for_the_streams_24_hours(
    bench: Make, firehose_server: Any
) -> None:
    firehose_server.refuse = refuse(b"bad")
    made = bench(maximum_retry_attempts=-1)
    started = made.clock.now()
    made.deliver(changes("bad"))
    assert made.clock.now() - started >= 24 * 3600
    assert made.status.dropped == 1


def test_without_a_dead_letter_queue_what_is_given_up_is_counted_and_logged(
    bench: Make, firehose_server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    firehose_server.refuse = refuse(b"secret")
    made = bench(maximum_retry_attempts=0)
    made.deliver(changes("secret"))
    assert made.status.dropped == 1
    assert "dropped, as there is no place for what is given up" in caplog.text
    assert "ServiceUnavailableException" in caplog.text
    assert "secret" not in caplog.text


def test_an_unreachable_delivery_stream_does_not_count_as_a_retry(
    bench: Make, session: boto3.Session, closed_endpoint: str
) -> None:
    once = Config(retries={"total_max_attempts": 1})
    absent = session.client("firehose", endpoint_url=closed_endpoint, config=once)
    made = bench(DeliveryStream(absent, "lake"), maximum_retry_attempts=0)
    steps = made.delivery.deliver(SHARD, changes("a"))
    assert [next(steps) for _ in range(4)] == [1, 2, 3, 4]
    assert made.status.dropped == 0


def test_a_delivery_stream_that_cannot_keep_records_for_now_does_not_count_as_a_retry(
    bench: Make, firehose_server: Any
) -> None:
    full = iter([(500, "InternalFailure")] * 5)
    firehose_server.refuse = lambda _: next(full, set())
    delivery = bench(maximum_retry_attempts=1)
    delivery.deliver(changes("one", "two"))
    assert firehose_server.taken == [b"one", b"two"]
    assert (delivery.status.delivered, delivery.status.given_up) == (2, 0)


def test_an_unreachable_dead_letter_queue_is_waited_for(
    define: Any,
    target: DeliveryStream,
    clock: Any,
    session: boto3.Session,
    closed_endpoint: str,
    firehose_server: Any,
) -> None:
    firehose_server.refuse = refuse(b"bad")
    once = Config(retries={"total_max_attempts": 1})
    absent = session.client("sqs", endpoint_url=closed_endpoint, config=once)
    definition = define(dead_letter_arn="arn:aws:sqs:us-east-1:0:dead", maximum_retry_attempts=0)
    status = Status(name="changes", stream_arn="arn", started_at=0)
    delivery = PipeDelivery(
        definition, target, DeadLetterQueue.of(definition, absent), status, clock, float
    )
    steps = delivery.deliver(SHARD, changes("bad"))
    assert [next(steps) for _ in range(3)] == [1, 2, 3]
    assert (status.given_up, status.dropped) == (0, 0)


@pytest.mark.parametrize(
    ("backoff", "pauses"),
    [
        (exponential_backoff(), [0.2, 0.4, 0.8, 10, 10, 10]),
        (exponential_backoff(0.5), [0.2, 0.4, 0.5, 0.5, 0.5, 0.5]),
    ],
)
def test_back_off_grows_up_to_the_longest_pause(backoff: Backoff, pauses: list[float]) -> None:
    assert [backoff(attempt) for attempt in (1, 2, 3, 7, 8, 10_000)] == pauses
