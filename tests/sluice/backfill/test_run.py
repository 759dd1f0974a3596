"""Every item is delivered, and a page counts only once it is."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from chalicelib.firehose import DeliveryStream, RefusedError
from chalicelib.schema import TABLE
from chalicelib.transform import transformer
from sluice.backfill.checkpoint import BackfillCheckpoint
from sluice.backfill.run import run
from sluice.backfill.source import Page, snapshot
from sluice.backfill.stop import Stop
from sluice.errors import OperationError, StoppedError
from tests.fakes import FakeFirehose
from tests.sluice.backfill.conftest import MOMENT, MemorySource, found

CheckpointOf = Callable[[MemorySource], BackfillCheckpoint]

CONTENT: dict[str, list[list[str]]] = {
    "a": [["a0", "a1"], ["a2"], ["a3"]],
    "b": [[], ["b0"]],
    "c": [[]],
}
NAMES = ["a0", "a1", "a2", "a3", "b0"]


@pytest.fixture
def source() -> MemorySource:
    return MemorySource(CONTENT)


def names(server: FakeFirehose) -> list[str]:
    return sorted(
        json.loads(payload)["dynamodb"]["NewImage"]["id"]["S"] for payload in server.taken
    )


@pytest.mark.parametrize("parallel", [1, 3])
def test_every_item_of_every_part_is_delivered_once(
    source: MemorySource,
    checkpoint_of: CheckpointOf,
    stream: DeliveryStream,
    stop: Stop,
    firehose_server: FakeFirehose,
    parallel: int,
) -> None:
    made: list[int] = []
    run(source, checkpoint_of(source), stream, stop, parallel, made.append)
    assert names(firehose_server) == NAMES
    assert sum(made) == len(NAMES)
    after = checkpoint_of(source)
    assert after.done
    assert after.items == len(NAMES)


def test_what_is_held_back_is_counted_and_not_delivered(
    source: MemorySource,
    checkpoint_of: CheckpointOf,
    stream: DeliveryStream,
    stop: Stop,
    firehose_server: FakeFirehose,
) -> None:
    run(
        source,
        checkpoint_of(source),
        stream,
        stop,
        holds_back=lambda payload: b"a1" in payload or b"b0" in payload,
    )
    assert names(firehose_server) == ["a0", "a2", "a3"]
    after = checkpoint_of(source)
    assert (after.done, after.items, after.held_back) == (True, 3, 2)


def test_what_is_done_is_not_read_again(
    source: MemorySource,
    checkpoint_of: CheckpointOf,
    stream: DeliveryStream,
    firehose_server: FakeFirehose,
) -> None:
    run(source, checkpoint_of(source), stream, Stop())
    source.read.clear()
    run(source, checkpoint_of(source), stream, Stop())
    assert source.read == []
    assert names(firehose_server) == NAMES


def test_a_page_is_noted_only_when_all_of_it_was_accepted(
    checkpoint_of: CheckpointOf, stream: DeliveryStream, firehose_server: FakeFirehose
) -> None:
    source = MemorySource({"a": [["a0"], ["a1", "a2"], ["a3"]]})
    firehose_server.refuse = lambda payloads: {
        n for n, payload in enumerate(payloads) if b'"a2"' in payload
    }
    with pytest.raises(RefusedError):
        run(source, checkpoint_of(source), stream, Stop())
    position = checkpoint_of(source).parts["a"]
    assert (position.after, position.items, position.done) == ("1", 1, False)

    firehose_server.refuse = lambda _payloads: set()
    run(source, checkpoint_of(source), stream, Stop())
    assert names(firehose_server) == ["a0", "a1", "a1", "a2", "a3"]
    assert checkpoint_of(source).done


def test_an_error_in_one_part_ends_the_others_and_leaves_them_to_the_next_run(
    checkpoint_of: CheckpointOf, stream: DeliveryStream, firehose_server: FakeFirehose
) -> None:
    stop = Stop()
    begun = Event()

    def fail_beside_another(part: str, number: int) -> None:
        if part == "failing":
            assert begun.wait(10)
            raise OperationError("no more")
        if number == 1:
            begun.set()
            with pytest.raises(StoppedError):
                stop.pause(10)

    content = {"failing": [["f0"]], "waiting": [["w0"], ["w1"], ["w2"]]}
    source = MemorySource(content, before_page=fail_beside_another)
    with pytest.raises(OperationError, match="no more"):
        run(source, checkpoint_of(source), stream, stop, parallel=2)
    assert checkpoint_of(source).parts["waiting"].after == "2"

    source = MemorySource(content)
    run(source, checkpoint_of(source), stream, Stop(), parallel=2)
    assert names(firehose_server) == ["f0", "w0", "w1", "w2"]


def test_a_run_that_is_asked_to_stop_ends_behind_its_page_and_the_next_goes_on(
    source: MemorySource,
    checkpoint_of: CheckpointOf,
    stream: DeliveryStream,
    firehose_server: FakeFirehose,
) -> None:
    stop = Stop()
    source.before_page = lambda part, number: stop.set() if (part, number) == ("a", 1) else None
    run(source, checkpoint_of(source), stream, stop)
    assert names(firehose_server) == ["a0", "a1", "a2"]
    assert checkpoint_of(source).parts["a"].after == "2"
    run(source, checkpoint_of(source), stream, Stop())
    assert names(firehose_server) == NAMES


def test_an_item_no_record_can_hold_is_named_and_its_neighbours_are_delivered(
    checkpoint_of: CheckpointOf,
    stream: DeliveryStream,
    stop: Stop,
    firehose_server: FakeFirehose,
) -> None:
    class Swollen(MemorySource):
        def pages(self, part: str, after: str | None) -> Any:
            for page in super().pages(part, after):
                # What DynamoDB counts as one byte, JSON may write as six.
                large = found("large", "\\u0001" * 200_000)
                yield Page(page.moment, [*page.items, large], page.after)

    source = Swollen({"a": [["a0"], ["a1"]]})
    run(source, checkpoint_of(source), stream, stop)
    assert names(firehose_server) == ["a0", "a1"]
    after = checkpoint_of(source)
    assert after.too_large == ['{"id":{"S":"large"}}'] * 2
    assert (after.items, after.done) == (2, True)


def test_a_snapshot_becomes_a_line_with_the_moment_as_its_sequence() -> None:
    data = b64encode(snapshot(found("a", "b"), MOMENT + 926)).decode()
    (answer,) = transformer(TABLE)({"records": [{"recordId": "r", "data": data}]})["records"]
    line = json.loads(b64decode(answer["data"]))
    assert line.pop("eventId")
    assert line == {
        "id": "a",
        "siteId": "1",
        "createdAtTime": 0,
        "name": "b",
        "changeType": "SNAPSHOT",
        "changeSequence": str(MOMENT + 926).zfill(40),
        "changedAt": MOMENT + 926,
    }


def test_one_reading_of_an_item_has_one_event_id_and_every_other_another() -> None:
    readings = [(found("a"), 1), (found("a"), 2), (found("b"), 1), (found("a"), 1)]
    first, later, other, again = (json.loads(snapshot(*reading))["eventID"] for reading in readings)
    assert len({first, later, other}) == 3
    assert again == first
