"""Redrive: what the pipe gave up comes back out of the table's stream."""

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.change import INPUT_TEMPLATE
from chalicelib.firehose import RefusedError
from local.pipe.definition import PipeDefinition
from local.pipe.template import Template
from sluice.erasure.memory import Memory, Moment
from sluice.event import as_event, render
from sluice.recovery.dead_letters import DeadLetters
from sluice.recovery.redrive import Redriven, redrive
from sluice.stack import Stack
from sluice.stream import Stream
from tests.fakes import FakeFirehose, StreamTable

SHARD = "shardId-00000000000000000000-00000000"
NOTHING = "0" * 20 + "1"
"""A sequence number that no stream has (any more)."""


@dataclass
class Source:
    """A table of the emulator with a stream, and the stream's records."""

    table: StreamTable
    stream: Stream

    def put(self, id: str, **attributes: Any) -> None:
        self.table.put(id, **attributes)

    def records(self) -> Sequence[Any]:
        reader = self.stream.reader(SHARD, "TRIM_HORIZON")
        records = list[Any]()
        while page := reader.read().records:
            records += page
        return records

    def sequence_numbers(self) -> list[str]:
        return [record["dynamodb"]["SequenceNumber"] for record in self.records()]


@pytest.fixture
def source(stack: Stack, stream_table: StreamTable) -> Source:
    assert stack.emulated
    return Source(stream_table, Stream(stack.streams, stream_table.stream_arn))


Letter = Callable[..., None]


@pytest.fixture
def dead_letter(stack: Stack, source: Source) -> Letter:
    """Sends a message as the pipe of the source's stack does."""
    stack.outputs["TableName"] = source.table.name

    def send(start: str, end: str, size: int = 1, **changes: Any) -> None:
        pointer = {
            "shardId": SHARD,
            "startSequenceNumber": start,
            "endSequenceNumber": end,
            "approximateArrivalOfFirstRecord": "2026-01-02T03:04:05Z",
            "approximateArrivalOfLastRecord": "2026-01-02T03:04:05Z",
            "batchSize": size,
            "streamArn": source.stream.arn,
            **changes,
        }
        body = {
            "context": {"partnerResourceArn": "arn", "condition": "RetryAttemptsExhausted"},
            "version": "1.0",
            "timestamp": "2026-01-02T03:04:05.678Z",
            "DDBStreamBatchInfo": pointer,
        }
        stack.sqs.send_message(
            QueueUrl=stack.output("DeadLetterQueueUrl"), MessageBody=json.dumps(body)
        )

    return send


def redriven(stack: Stack, **options: Any) -> tuple[Redriven, list[str]]:
    with DeadLetters(stack, wait_seconds=0) as letters:
        steps = list(redrive(stack, letters, **options))
    return steps[-1].counts, [step.loss for step in steps if step.loss]


def test_changes_of_an_erased_key_are_held_back_and_their_message_goes(
    stack: Stack, source: Source, dead_letter: Letter, firehose_server: FakeFirehose
) -> None:
    source.put("gone")
    source.put("other")
    first, last = source.sequence_numbers()
    dead_letter(first, last, size=2)
    Memory(stack).remember({("gone",): Moment(9_999_999_999_999)})
    counts, losses = redriven(stack)
    assert counts == Redriven(messages=1, removed=1, accepted=1, held_back=1)
    assert losses == []
    assert firehose_server.ids() == ["other"]


def depth(stack: Stack) -> int:
    """How many messages anyone can receive now."""
    queue = stack.output("DeadLetterQueueUrl")
    answer = stack.sqs.get_queue_attributes(
        QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def ids(payloads: Sequence[bytes]) -> list[str]:
    return [json.loads(payload)["dynamodb"]["Keys"]["id"]["S"] for payload in payloads]


def test_the_changes_of_the_range_alone_come_back_in_order(
    stack: Stack, source: Source, dead_letter: Letter, firehose_server: FakeFirehose
) -> None:
    for n in range(5):
        source.put(str(n))
    numbers = source.sequence_numbers()
    dead_letter(numbers[1], numbers[3], 3)
    counts, reports = redriven(stack)
    assert counts == Redriven(messages=1, removed=1, accepted=3)
    assert not reports
    assert ids(firehose_server.taken) == ["1", "2", "3"]
    assert depth(stack) == 0


def deployed_pipe(stream_arn: str) -> PipeDefinition:
    return PipeDefinition(
        name="the-pipe",
        arn="arn:aws:pipes:us-east-1:000000000000:pipe/the-pipe",
        source_arn=stream_arn,
        target_arn="arn:aws:firehose:us-east-1:000000000000:deliverystream/the-stream",
        starting_position="TRIM_HORIZON",
        batch_size=1,
        batching_window_seconds=0,
        maximum_retry_attempts=0,
        maximum_record_age_seconds=-1,
        bisect=False,
        dead_letter_arn=None,
        filters=(),
        input_template=INPUT_TEMPLATE,
    )


def test_a_change_is_spelled_as_the_pipe_spells_it(source: Source) -> None:
    source.put(
        "a",
        text={"S": '", "x": "\n\N{SNOWMAN}'},
        number={"N": "12345678901234567890.123456789012345678"},
        binary={"B": b"\x00\xff\xfe"},
        flag={"BOOL": False},
        nothing={"NULL": True},
        listed={"L": [{"B": b"\x01"}, {"M": {"deep": {"BS": [b"\x02", b"\x03"]}}}]},
        texts={"SS": ["a", "b"]},
        numbers={"NS": ["1", "2.5"]},
    )
    source.put("a", text={"S": ""})
    source.table.delete("a")
    records = source.records()
    assert len(records) == 3
    template = Template(deployed_pipe(source.stream.arn))
    expired = {
        **records[2],
        "userIdentity": {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"},
    }
    for record in (*records, expired):
        spelled = template.render(as_event(record, source.stream.arn), 0)
        assert json.loads(render(as_event(record, source.stream.arn))) == json.loads(spelled)
    assert json.loads(render(as_event(expired, source.stream.arn)))["userIdentity"] == {
        "type": "Service",
        "principalId": "dynamodb.amazonaws.com",
    }


def test_a_dry_run_puts_nothing_and_leaves_the_messages_to_the_next(
    stack: Stack, source: Source, dead_letter: Letter, firehose_server: FakeFirehose
) -> None:
    source.put("a")
    (number,) = source.sequence_numbers()
    dead_letter(number, number)
    assert redriven(stack, dry_run=True)[0] == Redriven(messages=1, accepted=1)
    assert not firehose_server.batches
    assert redriven(stack)[0] == Redriven(messages=1, accepted=1, removed=1)


def test_what_has_aged_out_is_reported_and_its_message_removed(
    stack: Stack, source: Source, dead_letter: Letter, firehose_server: FakeFirehose
) -> None:
    source.put("a")
    dead_letter(NOTHING, NOTHING, 7)
    counts, reports = redriven(stack)
    assert counts == Redriven(messages=1, removed=1, aged_out=7)
    assert reports[0].startswith("7 of 7 changes")
    assert "2026-01-02T03:04:05Z" in reports[0]
    assert not firehose_server.batches
    assert depth(stack) == 0


def test_the_rest_of_a_range_that_began_to_age_out_comes_back(
    stack: Stack, source: Source, dead_letter: Letter, firehose_server: FakeFirehose
) -> None:
    for name in ("a", "b", "c"):
        source.put(name)
    dead_letter(NOTHING, source.sequence_numbers()[1], 5)
    counts, reports = redriven(stack)
    assert counts == Redriven(messages=1, removed=1, accepted=2, aged_out=3)
    assert reports[0].startswith("3 of 5 changes")
    assert ids(firehose_server.taken) == ["a", "b"]


def test_changes_before_the_range_stay_out_where_its_first_one_is_not_found(
    stack: Stack, source: Source, dead_letter: Letter, firehose_server: FakeFirehose
) -> None:
    for name in ("a", "b"):
        source.put(name)
    first, second = source.sequence_numbers()
    between = str(int(first) + 1).zfill(len(first))
    assert between < second
    dead_letter(between, second, 2)
    assert redriven(stack)[0] == Redriven(messages=1, removed=1, accepted=1, aged_out=1)
    assert ids(firehose_server.taken) == ["b"]


def test_a_shard_or_an_earlier_stream_of_the_table_that_is_gone_has_aged_out(
    stack: Stack, source: Source, dead_letter: Letter
) -> None:
    source.put("a")
    (number,) = source.sequence_numbers()
    dead_letter(number, number, shardId="shardId-00000000000000000009-00000000")
    earlier = f"arn:aws:dynamodb:us-east-1:000000000000:table/{source.table.name}/stream/2020"
    dead_letter(number, number, streamArn=earlier)
    assert redriven(stack)[0] == Redriven(messages=2, removed=2, aged_out=2)


def test_a_change_whose_images_are_too_large_together_comes_back_without_the_old_one(
    stack: Stack, source: Source, dead_letter: Letter, firehose_server: FakeFirehose
) -> None:
    for _ in range(2):
        source.put("large", body={"B": uuid.uuid4().bytes * 24_300})
    _, number = source.sequence_numbers()
    dead_letter(number, number)
    assert redriven(stack)[0] == Redriven(messages=1, removed=1, accepted=1)
    (payload,) = firehose_server.taken
    assert json.loads(payload)["eventName"] == "MODIFY"
    assert {"NewImage", "OldImage"} & json.loads(payload)["dynamodb"].keys() == {"NewImage"}


def test_a_change_too_large_for_firehose_stays_and_its_neighbour_comes_back(
    stack: Stack, source: Source, dead_letter: Letter, firehose_server: FakeFirehose
) -> None:
    source.put("large", body={"S": "\x01" * 200_000})
    source.put("small")
    numbers = source.sequence_numbers()
    dead_letter(numbers[0], numbers[1], 2)
    counts, reports = redriven(stack)
    assert counts == Redriven(messages=1, accepted=1, too_large=1)
    assert f"{numbers[0]} of {SHARD}, of the key large, has " in reports[0]
    assert ids(firehose_server.taken) == ["small"]
    assert depth(stack) == 1


@pytest.mark.parametrize(
    ("pointer", "reason"),
    [
        (
            {"streamArn": "arn:aws:dynamodb:us-east-1:000000000000:table/no/stream/2020"},
            "points at no changes of the table",
        ),
        ({"startSequenceNumber": "9" * 30}, "points at no changes of the table"),
        ({"batchSize": -1}, "points at no changes of the table"),
        ({"batchSize": 10**30}, "points at no changes of the table"),
        ({"streamArn": "{arn}/../x"}, "points at no changes of the table"),
        ({"streamArn": "arn:aws:dynamodb:us-east-1:000000000000:table/x:{table}"}, "no changes of"),
        ({"streamArn": "{arn:other account}"}, "points at no changes of the table"),
        ({"shardId": "x"}, "cannot be followed"),
    ],
)
def test_a_message_that_cannot_be_followed_stays_and_the_next_is_done(
    stack: Stack,
    source: Source,
    dead_letter: Letter,
    firehose_server: FakeFirehose,
    pointer: dict[str, Any],
    reason: str,
) -> None:
    source.put("a")
    (number,) = source.sequence_numbers()
    arn = source.stream.arn
    for text, value in {
        "{arn}": arn,
        "{table}": arn.partition(":table/")[2],
        "{arn:other account}": arn.replace("000000000000", "111111111111"),
    }.items():
        pointer = {
            key: each.replace(text, value) if isinstance(each, str) else each
            for key, each in pointer.items()
        }
    dead_letter(number, number, **pointer)
    dead_letter(number, number)
    counts, reports = redriven(stack)
    assert counts == Redriven(messages=2, removed=1, accepted=1, unreadable=1)
    assert reason in reports[0]
    assert ids(firehose_server.taken) == ["a"]
    assert depth(stack) == 1


@pytest.mark.parametrize(
    "pointer",
    [
        {"shardId": "shardId-00000000000000000009-00000000"},
        {"startSequenceNumber": NOTHING, "endSequenceNumber": NOTHING},
        {"startSequenceNumber": NOTHING, "batchSize": 2},
        {"streamArn": "arn:aws:dynamodb:us-east-1:000000000000:table/{table}/stream/2020"},
    ],
)
@pytest.mark.parametrize("arrival", [None, "recent"])
def test_what_the_stream_lacks_though_it_is_younger_than_a_day_stays(
    stack: Stack,
    source: Source,
    dead_letter: Letter,
    pointer: dict[str, Any],
    arrival: str | None,
) -> None:
    source.put("a")
    (number,) = source.sequence_numbers()
    moment = "no time" if arrival is None else datetime.now(UTC).isoformat()
    if "streamArn" in pointer:
        pointer = {"streamArn": pointer["streamArn"].format(table=source.table.name)}
    times = dict.fromkeys(
        ("approximateArrivalOfFirstRecord", "approximateArrivalOfLastRecord"), moment
    )
    sent = {"startSequenceNumber": number, "endSequenceNumber": number, **pointer, **times}
    start, end = sent.pop("startSequenceNumber"), sent.pop("endSequenceNumber")
    dead_letter(start, end, sent.pop("batchSize", 1), **sent)
    counts, reports = redriven(stack)
    assert (counts.removed, counts.not_found, counts.aged_out) == (0, 1, 0)
    assert "younger than its 24 hours" in reports[0]
    assert depth(stack) == 1


def test_a_message_is_shown_and_dropped_by_its_id(
    stack: Stack, source: Source, dead_letter: Letter
) -> None:
    body = "a validation message"
    answer = stack.sqs.send_message(QueueUrl=stack.output("DeadLetterQueueUrl"), MessageBody=body)
    source.put("a")
    (number,) = source.sequence_numbers()
    dead_letter(number, number)
    _, (report,) = redriven(stack, dry_run=True)
    assert report.endswith(f"`sluice redrive --drop {answer['MessageId']}` removes it: {body}")
    drop = [answer["MessageId"]]
    assert redriven(stack, drop=drop, dry_run=True)[0].dropped == 1
    assert redriven(stack, drop=drop) == (
        Redriven(messages=2, removed=1, accepted=1, dropped=1),
        [],
    )
    assert depth(stack) == 0


@pytest.mark.parametrize("body", ["", "{", "[]", '{"DDBStreamBatchInfo": {"shardId": 7}}'])
def test_a_message_that_points_at_nothing_is_reported_and_stays(
    stack: Stack, source: Source, dead_letter: Letter, body: str
) -> None:
    stack.sqs.send_message(QueueUrl=stack.output("DeadLetterQueueUrl"), MessageBody=body or " ")
    source.put("a")
    (number,) = source.sequence_numbers()
    dead_letter(number, number)
    counts, reports = redriven(stack)
    assert counts == Redriven(messages=2, removed=1, accepted=1, unreadable=1)
    assert "points at no changes" in reports[0]
    assert depth(stack) == 1


def test_a_message_stays_when_firehose_keeps_refusing(
    stack: Stack, source: Source, dead_letter: Letter, firehose_server: FakeFirehose
) -> None:
    source.put("a")
    (number,) = source.sequence_numbers()
    dead_letter(number, number)
    firehose_server.refuse = lambda _: {0}
    with pytest.raises(RefusedError):
        redriven(stack, pause=lambda _: None)
    assert depth(stack) == 1
    firehose_server.refuse = lambda _: set()
    assert redriven(stack)[0].removed == 1


def test_more_messages_than_one_call_receives_are_all_done(
    stack: Stack, source: Source, dead_letter: Letter, firehose_server: FakeFirehose
) -> None:
    for n in range(25):
        source.put(str(n))
    for number in source.sequence_numbers():
        dead_letter(number, number)
    assert redriven(stack)[0] == Redriven(messages=25, removed=25, accepted=25)
    assert sorted(ids(firehose_server.taken), key=int) == [str(n) for n in range(25)]


def test_a_redrive_that_is_stopped_leaves_the_other_messages_to_the_next(
    stack: Stack, source: Source, dead_letter: Letter
) -> None:
    source.put("a")
    (number,) = source.sequence_numbers()
    for _ in range(3):
        dead_letter(number, number)

    with DeadLetters(stack, wait_seconds=0) as letters:
        steps = redrive(stack, letters)
        assert next(steps).counts == Redriven()
        next(steps)
        steps.close()
    assert depth(stack) == 2
