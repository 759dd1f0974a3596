"""The feed function: spelling, packing, putting, and what is answered and kept."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.change import change_reader
from chalicelib.declared import declared
from chalicelib.feed import SPARE_MS, Feeder, pack, spell
from chalicelib.firehose import ATTEMPTS
from chalicelib.limits import PUT_RECORD_BYTES_MAX
from chalicelib.partitions import FEED_KEPT
from sluice.event import render
from tests.fakes import STREAM, FakeFirehose

ARN = "arn:aws:dynamodb:us-east-1:111122223333:table/records/stream/2026-01-31T12:00:00.000"


def change(number: int, text: str = "text", **more: Any) -> dict[str, Any]:
    """A change as Lambda's runtime decodes it."""
    item = {"id": {"S": str(number)}, "siteId": {"S": "2"}, "name": {"S": text}}
    item |= {"createdAtTime": {"N": "1700076551926"}, "valueOne": {"N": "1"}}
    item["valueTwo"] = {"N": "2"}
    return {
        "eventID": f"{number:032x}",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1700076551.0,
            "Keys": {"id": {"S": str(number)}},
            "NewImage": item,
            "SequenceNumber": sequence(number),
            "SizeBytes": 100,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": ARN,
        **more,
    }


def sequence(number: int) -> str:
    return f"{number + 1:021}"


def oversized(number: int) -> dict[str, Any]:
    return change(number, "x" * PUT_RECORD_BYTES_MAX)


def not_unicode(number: int) -> dict[str, Any]:
    return change(number, json.loads(r'"half of a pair: \ud83d"'))


TTL = {"userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}}


@pytest.mark.parametrize("more", [{}, TTL], ids=["of a writer", "of time to live"])
def test_a_change_is_spelled_as_the_pipes_template_does(more: Any) -> None:
    assert spell(change(1, 'a "quoted" \\ text, ümlaut', **more)) == render(
        change(1, 'a "quoted" \\ text, ümlaut', **more)
    )


def test_a_spelled_change_becomes_the_line_that_it_is() -> None:
    line = change_reader(declared())(spell(change(7)))
    assert (line.id, line.name, line.eventId) == ("7", "text", f"{7:032x}")
    assert line.changeSequence == sequence(7).zfill(40)


def test_changes_are_packed_one_a_line_500_to_a_record_in_order() -> None:
    changes = [change(number) for number in range(1_001)]
    packing = pack(changes)
    assert packing.firsts == [0, 500, 1_000]
    lines = [line for payload in packing.payloads for line in payload.split(b"\n")]
    assert lines == [spell(each) for each in changes]


def test_a_record_holds_1000_kib_and_not_a_byte_more() -> None:
    spare = PUT_RECORD_BYTES_MAX - len(spell(change(0))) - 1 - len(spell(change(1, "")))
    fits, exceeds = [change(0), change(1, "x" * spare)], [change(0), change(1, "x" * (spare + 1))]
    assert [len(payload) for payload in pack(fits).payloads] == [PUT_RECORD_BYTES_MAX]
    assert pack(exceeds).firsts == [0, 1]


def test_a_change_as_large_as_a_record_is_put_and_a_larger_one_kept() -> None:
    spare = PUT_RECORD_BYTES_MAX - len(spell(change(0, "")))
    packing = pack([change(0, "x" * spare), change(0, "x" * (spare + 1)), change(2)])
    assert packing.firsts == [0, 2]
    assert packing.kept == {1: "RecordTooLarge"}


@given(st.lists(st.sampled_from([0, 1, 1_000, 300_000, 700_000, 1_100_000]), max_size=30))
def test_each_change_is_in_one_record_or_kept_and_no_record_above_a_limit(sizes: Any) -> None:
    changes = [change(number, "x" * size) for number, size in enumerate(sizes)]
    packing = pack(changes)
    lines = [line for payload in packing.payloads for line in payload.split(b"\n")]
    kept = [spell(changes[index]) for index in packing.kept]
    assert sorted(lines + kept) == sorted(map(spell, changes))
    assert all(len(payload) <= PUT_RECORD_BYTES_MAX for payload in packing.payloads)
    assert all(len(line) > PUT_RECORD_BYTES_MAX for line in kept)
    for first, payload in zip(packing.firsts, packing.payloads, strict=True):
        assert payload.startswith(spell(changes[first]))


@dataclass
class Invocation:
    """Lambda's context, with time that the test gives."""

    remaining: int = 120_000
    aws_request_id: str = "request"
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:111122223333:function:feed"

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining


@dataclass
class FakeBucket:
    """S3's put, which may be refused."""

    error: Exception | None = None
    objects: dict[str, Any] = field(default_factory=dict)

    def put_object(self, **request: Any) -> None:
        if self.error:
            raise self.error
        assert request["Bucket"] == "the-bucket"
        self.objects[request["Key"]] = json.loads(request["Body"])


@pytest.fixture
def delivery() -> FakeFirehose:
    return FakeFirehose()


@pytest.fixture
def bucket() -> FakeBucket:
    return FakeBucket()


@pytest.fixture
def feeder(delivery: Any, bucket: Any) -> Feeder:
    return feeder_of(delivery, bucket)


def feeder_of(delivery: Any, bucket: Any) -> Feeder:
    """A feeder that does not wait between attempts."""
    return Feeder(
        firehose=delivery,
        stream=STREAM,
        s3=lambda: bucket,
        bucket="the-bucket",
        function="feed",
        sleep=lambda _seconds: None,
    )


def answer(feeder: Feeder, *changes: Any, remaining: int = 120_000) -> list[str]:
    """The sequence numbers that the feed answers as failed."""
    answered = feeder({"Records": list(changes)}, Invocation(remaining))
    assert answered.keys() == {"batchItemFailures"}
    return [each["itemIdentifier"] for each in answered["batchItemFailures"]]


def delivered(delivery: FakeFirehose) -> list[str]:
    """The ids of the changes that Firehose has, in order."""
    lines = [line for payload in delivery.taken for line in payload.split(b"\n")]
    return [json.loads(line)["dynamodb"]["Keys"]["id"]["S"] for line in lines]


def counts(output: str) -> list[int]:
    (line,) = [json.loads(each) for each in output.splitlines() if "batch fed" in each]
    return [line[name] for name in ("ChangesPut", "ChangesRefused", "ChangesKept")]


def test_a_batch_is_put_whole_and_nothing_comes_again(
    feeder: Feeder, delivery: FakeFirehose, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(feeder, *map(change, range(700))) == []
    assert delivered(delivery) == [str(number) for number in range(700)]
    assert len(delivery.taken) == 2
    assert counts(capsys.readouterr().out) == [700, 0, 0]


def test_what_is_refused_for_a_moment_is_put_again_by_itself(
    feeder: Feeder, delivery: FakeFirehose
) -> None:
    delivery.refuse = lambda _payloads: {0} if len(delivery.batches) == 1 else set()
    assert answer(feeder, *map(change, range(700))) == []
    assert sorted(map(int, delivered(delivery))) == list(range(700))
    assert [len(batch) for batch in delivery.batches] == [2, 1]


def test_lambda_is_to_go_on_from_the_first_change_of_the_first_record_that_is_refused(
    feeder: Feeder, delivery: FakeFirehose, capsys: pytest.CaptureFixture[str]
) -> None:
    second = spell(change(500))
    delivery.refuse = lambda payloads: {
        index for index, each in enumerate(payloads) if each.startswith(second)
    }
    assert answer(feeder, *map(change, range(1_200))) == [sequence(500)]
    assert len(delivery.batches) == ATTEMPTS
    assert counts(capsys.readouterr().out) == [500, 700, 0]


def test_an_invocation_that_runs_out_of_time_ends_its_attempts(
    feeder: Feeder, delivery: FakeFirehose
) -> None:
    delivery.refuse = lambda payloads: set(range(len(payloads)))
    assert answer(feeder, change(1), change(2), remaining=SPARE_MS) == [sequence(1)]
    assert len(delivery.batches) == 1


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "AccessDeniedException"}}, "PutRecordBatch"),
        ReadTimeoutError(endpoint_url="https://firehose"),
    ],
    ids=["refused", "unanswered"],
)
def test_a_firehose_that_cannot_be_used_fails_the_batch_from_its_first_change(
    bucket: Any, error: Exception
) -> None:
    class Broken:
        def put_record_batch(self, **_request: Any) -> Any:
            raise error

    assert answer(feeder_of(Broken(), bucket), change(1), change(2)) == [sequence(1)]


@pytest.mark.parametrize(
    ("poison", "condition"),
    [(oversized, "RecordTooLarge"), (not_unicode, "RecordNotUnicode")],
    ids=["too large", "not Unicode"],
)
def test_a_change_that_no_record_can_hold_is_kept_whole_and_its_neighbours_are_delivered(
    feeder: Feeder,
    delivery: FakeFirehose,
    bucket: FakeBucket,
    capsys: pytest.CaptureFixture[str],
    poison: Any,
    condition: str,
) -> None:
    assert answer(feeder, change(1), poison(2), change(3)) == []
    assert delivered(delivery) == ["1", "3"]
    ((key, document),) = bucket.objects.items()
    assert key.startswith(FEED_KEPT)
    assert json.loads(document["payload"]) == {"Records": [poison(2)]}
    assert document["requestContext"]["condition"] == condition
    batch = document["DDBStreamBatchInfo"]
    assert (batch["startSequenceNumber"], batch["batchSize"]) == (sequence(2), 1)
    assert batch["streamArn"] == ARN
    assert batch["approximateArrivalOfFirstRecord"] == "2023-11-15T19:29:11.000Z"
    output = capsys.readouterr().out
    assert counts(output) == [2, 0, 1]
    assert "xxxx" not in output


def test_a_change_that_cannot_be_kept_comes_again(
    feeder: Feeder, delivery: FakeFirehose, bucket: FakeBucket
) -> None:
    bucket.error = ClientError({"Error": {"Code": "SlowDown"}}, "PutObject")
    assert answer(feeder, change(1), oversized(2), change(3)) == [sequence(2)]
    assert delivered(delivery) == ["1", "3"]


def test_what_comes_again_is_not_kept_twice(
    feeder: Feeder, delivery: FakeFirehose, bucket: FakeBucket
) -> None:
    delivery.refuse = lambda payloads: set(range(len(payloads)))
    assert answer(feeder, oversized(1), change(2), oversized(3)) == [sequence(2)]
    assert len(bucket.objects) == 1
    delivery.refuse = lambda _payloads: set()
    assert answer(feeder, change(2), oversized(3)) == []
    assert len(bucket.objects) == 2
