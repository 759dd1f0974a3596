"""Redrive of the batches that the feed function gave up: whole from the bucket, nothing lost."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.firehose import RefusedError
from sluice.erasure.memory import Memory, Moment
from sluice.recovery.dead_letters import DeadLetters
from sluice.recovery.quarantine import Selection, read_quarantine
from sluice.recovery.redrive import Redriven, redrive
from sluice.recovery.replay import replay
from sluice.recovery.waiting import waiting
from sluice.stack import Stack
from sluice.status import status
from tests.fakes import FakeFirehose
from tests.sluice.recovery.failures import KEY, STREAM_ARN, TABLE, change, failure

Put = Callable[..., str]
Keys = Callable[[], list[str]]


@pytest.fixture
def fed(stack: Stack) -> Stack:
    """A stack whose feed is the function."""
    outputs = {**stack.outputs, "Feed": "function", "TableName": TABLE}
    del outputs["DeadLetterQueueUrl"]
    return Stack(stack.name, outputs)


@pytest.fixture
def put_failure(stack: Stack) -> Put:
    """Writes a failure object; answers its key."""

    def put(document: Any, name: str = "1") -> str:
        key = KEY.format(name)
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        stack.s3.put_object(Bucket=stack.bucket, Key=key, Body=body)
        return key

    return put


def redriven(stack: Stack, **options: Any) -> tuple[Redriven, list[str]]:
    with DeadLetters(stack, wait_seconds=0) as letters:
        steps = list(redrive(stack, letters, **options))
    return steps[-1].counts, [step.loss for step in steps if step.loss]


def changes(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [change(str(n), n) for n in range(first, first + count)]


def test_every_change_of_a_batch_is_put_by_itself_and_the_object_moves(
    fed: Stack, put_failure: Put, stored_keys: Keys, firehose_server: FakeFirehose
) -> None:
    key = put_failure(failure(changes(3)))
    assert redriven(fed) == (Redriven(objects=1, moved=1, accepted=3), [])
    assert firehose_server.ids() == ["0", "1", "2"]
    assert stored_keys() == [f"errors-replayed/{key}"]
    assert redriven(fed) == (Redriven(), [])


def test_a_change_of_an_erased_key_is_held_back_and_what_was_erased_counts_for_nothing(
    fed: Stack, put_failure: Put, stored_keys: Keys, firehose_server: FakeFirehose
) -> None:
    key = put_failure(failure(changes(3)))
    Memory(fed).remember({("1",): Moment(9_999_999_999_999)})
    counts, (loss,) = redriven(fed)
    assert counts == Redriven(objects=1, accepted=2, unusable=1)
    assert "1 change of " in loss
    assert "is a change of a key that was erased; `sluice erase` takes it out" in loss
    put_failure(failure([None, None, *changes(1, 3)]), "2")
    put_failure(failure([*changes(1), None]))
    assert redriven(fed)[0] == Redriven(objects=2, moved=2, accepted=1)
    assert firehose_server.ids() == ["0", "2", "3"]
    assert key not in stored_keys()


def test_both_the_queue_and_the_bucket_are_redriven_after_a_change_of_the_feed(
    stack: Stack, put_failure: Put
) -> None:
    stack.outputs["TableName"] = TABLE
    put_failure(failure(changes(1)))
    stack.sqs.send_message(QueueUrl=stack.output("DeadLetterQueueUrl"), MessageBody="{}")
    assert waiting(stack) == [
        "sluice redrive: 1 dead letter",
        "sluice redrive: 1 failure object of the feed",
    ]
    counts, (loss,) = redriven(stack)
    assert counts == Redriven(messages=1, unreadable=1, objects=1, moved=1, accepted=1)
    assert "points at no changes of the table" in loss


def test_a_dry_run_changes_nothing(
    fed: Stack, put_failure: Put, stored_keys: Keys, firehose_server: FakeFirehose
) -> None:
    kept = {put_failure(failure(changes(2))), put_failure(b"{", "2")}
    counts, (loss,) = redriven(fed, dry_run=True, drop=["nothing"])
    assert counts == Redriven(objects=2, accepted=2, unusable=1)
    assert "is damaged" in loss
    assert redriven(fed, dry_run=True, drop=kept)[0] == Redriven(objects=2, dropped=2)
    assert {*stored_keys()} == kept
    assert not firehose_server.batches


def test_a_change_that_cannot_be_put_stays_with_its_object_and_is_all_that_waits(
    fed: Stack, put_failure: Put, stored_keys: Keys, firehose_server: FakeFirehose
) -> None:
    large = change("large", 7)
    large["dynamodb"]["NewImage"]["text"] = {"S": "x" * 1_100_000}
    batch = [
        change("a"),
        large,
        change("b", 2, STREAM_ARN.replace(TABLE, "other")),
        *[{}] * 2,
        change("c", 3),
    ]
    key = put_failure(failure(batch))
    counts, losses = redriven(fed)
    assert counts == Redriven(objects=1, accepted=2, too_large=1, unusable=3)
    place = f"s3://{fed.bucket}/{key}"
    stays = f"; it stays there; `sluice redrive --drop {key}` deletes the object"
    assert losses[0].startswith(f"change 2 of {place}, of the key large: it has 11")
    assert losses[1] == f"1 change of {place}: it is a change of another table{stays}"
    assert losses[2].startswith(f"2 changes of {place}: it is not a change of a table (Object miss")
    assert losses[2].endswith(stays)
    assert firehose_server.ids() == ["a", "c"]
    assert key in stored_keys()

    # What was accepted is noted, so it is neither put nor listed again.
    assert redriven(fed)[0] == Redriven(objects=1, too_large=1, unusable=3)
    assert firehose_server.ids() == ["a", "c"]
    listed = read_quarantine(fed, Selection(), lambda _payload: None)
    assert sorted(each.record.line for each in listed) == [2, 3, 4, 5]

    assert redriven(fed, drop=[key]) == (Redriven(objects=1, dropped=1), [])
    assert stored_keys() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\x1f\x8bhalf",
        b"PAR1",
        b'{"requestPayload": {"Records": []}}',
        json.dumps(failure(changes(2))).encode()[:-30],
        json.dumps(failure([])).encode(),
    ],
)
def test_an_object_that_is_no_batch_is_named_stays_and_hides_no_other(
    fed: Stack, put_failure: Put, stored_keys: Keys, body: bytes
) -> None:
    key = put_failure(body, "0")
    put_failure(failure(changes(1)))
    counts, (loss,) = redriven(fed)
    assert counts == Redriven(objects=2, moved=1, accepted=1, unusable=1)
    assert loss.startswith(f"s3://{fed.bucket}/{key} is damaged: it is not a ")
    assert "\n" not in loss
    assert key in stored_keys()
    (listed,) = read_quarantine(fed, Selection(), lambda _payload: None)
    assert listed.record.message == loss.partition("; it stays")[0]


def test_what_firehose_keeps_refusing_stays_and_is_all_that_comes_the_next_time(
    fed: Stack, put_failure: Put, stored_keys: Keys, firehose_server: FakeFirehose
) -> None:
    key = put_failure(failure(changes(4)))
    firehose_server.refuse = lambda payloads: {
        n for n, each in enumerate(payloads) if b'"event-2"' in each
    }
    with pytest.raises(RefusedError):
        redriven(fed, pause=lambda _: None)
    assert key in stored_keys()
    firehose_server.refuse = lambda _: set()
    assert redriven(fed)[0] == Redriven(objects=1, moved=1, accepted=1)
    assert firehose_server.ids() == ["0", "1", "3", "2"]


def test_a_redrive_that_is_stopped_goes_on_where_it_was(
    fed: Stack, put_failure: Put, stored_keys: Keys, firehose_server: FakeFirehose
) -> None:
    put_failure(failure(changes(1_200), as_text=True))
    for expected in (500, 1_000, 1_200):
        with DeadLetters(fed) as letters:
            steps = redrive(fed, letters)
            assert next(steps).counts == Redriven()
            assert next(steps).total == 1
            steps.close()
        assert len(firehose_server.taken) == expected
    assert redriven(fed)[0] == Redriven(objects=1, moved=1)
    assert firehose_server.ids() == [str(n) for n in range(1_200)]
    assert len(stored_keys()) == 1


def test_a_replay_leaves_the_notes_of_a_redrive_alone(
    fed: Stack, put_failure: Put, firehose_server: FakeFirehose
) -> None:
    put_failure(failure([*changes(1), {}]))
    redriven(fed)
    list(replay(fed, Selection()))
    redriven(fed)
    assert firehose_server.ids() == ["0"]


def test_what_waits_needs_a_person_and_has_its_command(fed: Stack, put_failure: Put) -> None:
    put_failure(failure(changes(5)))
    parts = {each.part: each for each in status(fed)}
    assert {"feed", "errors"} <= parts.keys()
    assert not {"pipe", "dead letters"} & parts.keys()
    errors = parts["errors"]
    assert errors.needs_person
    assert errors.summary.startswith("5 records in 1 object, the newest failed ")
    assert waiting(fed) == ["sluice redrive: 1 failure object of the feed"]
