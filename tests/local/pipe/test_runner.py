import json
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from chalicelib.change import INPUT_TEMPLATE
from local.pipe.template import TemplateError
from local.stream.checkpoint import CHECKPOINT_FILE
from local.stream.filter import FilterError
from local.stream.status import read_status
from sluice.errors import StreamGoneError

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2023"

RunUntil = Callable[[Any, Callable[[], bool]], None]


def test_changes_go_through_filter_and_template_in_order(
    make_runner: Any, run_until: RunUntil, stream_table: Any, firehose_server: Any
) -> None:
    stream_table.put("a", "b")
    stream_table.put("a", name={"S": '", "siteId": "99'})
    stream_table.delete("b")
    runner = make_runner(
        stream_table.stream_arn,
        filters=('{"eventName": ["MODIFY", "REMOVE"]}',),
        input_template=INPUT_TEMPLATE,
    )
    run_until(runner, lambda: len(firehose_server.taken) == 2)
    modify, remove = firehose_server.bodies()
    assert list(modify) == ["eventID", "eventName", "dynamodb", "userIdentity"]
    assert modify["eventName"] == "MODIFY"
    assert modify["userIdentity"] == ""
    assert modify["dynamodb"]["NewImage"]["name"] == {"S": '", "siteId": "99'}
    assert remove["eventName"] == "REMOVE"
    assert "NewImage" not in remove["dynamodb"]
    assert runner.status.read == 4
    assert runner.status.filtered_out == 2
    assert runner.status.delivered == 2


def test_nothing_is_read_while_the_checkpoint_cannot_be_written(
    make_runner: Any, run_until: RunUntil, stream_table: Any, firehose_server: Any, tmp_path: Path
) -> None:
    runner = make_runner(stream_table.stream_arn)
    stream_table.put("a")
    obstacle = tmp_path / f"{CHECKPOINT_FILE}.new"
    obstacle.mkdir()
    run_until(runner, lambda: "cannot be written" in (runner.status.last_failure or ""))
    stream_table.put("b")
    steps = iter(range(30))
    run_until(runner, lambda: next(steps, None) is None)
    assert len(firehose_server.taken) == 1
    obstacle.rmdir()
    run_until(runner, lambda: len(firehose_server.taken) == 2)
    assert [body["dynamodb"]["Keys"]["id"]["S"] for body in firehose_server.bodies()] == ["a", "b"]


def test_a_stopped_pipe_reads_nothing_and_once_started_goes_on_where_it_was(
    make_runner: Any, run_until: RunUntil, stream_table: Any, firehose_server: Any
) -> None:
    stopped = True
    runner = make_runner(stream_table.stream_arn, is_stopped=lambda: stopped)

    def run_on() -> None:
        steps = iter(range(30))
        run_until(runner, lambda: next(steps, None) is None)

    stream_table.put("a")
    run_on()
    assert (runner.status.stopped, runner.status.read) == (True, 0)
    stopped = False
    run_until(runner, lambda: len(firehose_server.taken) == 1)
    stopped = True
    run_until(runner, lambda: runner.status.stopped)
    stream_table.put("b")
    run_on()
    assert runner.status.read == 1
    stopped = False
    run_until(runner, lambda: len(firehose_server.taken) == 2)
    assert [body["dynamodb"]["Keys"]["id"]["S"] for body in firehose_server.bodies()] == ["a", "b"]


def test_without_a_template_the_whole_record_is_the_payload(
    make_runner: Any, run_until: RunUntil, stream_table: Any, firehose_server: Any
) -> None:
    stream_table.put("a")
    run_until(make_runner(stream_table.stream_arn), lambda: len(firehose_server.taken) == 1)
    (body,) = firehose_server.bodies()
    assert body["eventSourceARN"] == stream_table.stream_arn
    assert body["eventSource"] == "aws:dynamodb"


def test_batches_hold_at_most_the_batch_size_and_keep_the_order(
    make_runner: Any, run_until: RunUntil, stream_table: Any, firehose_server: Any
) -> None:
    ids = [f"{n:02}" for n in range(25)]
    stream_table.put(*ids)
    run_until(
        make_runner(stream_table.stream_arn, batch_size=10),
        lambda: len(firehose_server.taken) == 25,
    )
    assert [len(batch) for batch in firehose_server.batches] == [10, 10, 5]
    assert firehose_server.ids() == ids


def test_the_batching_window_gathers_until_it_is_over_or_the_batch_is_full(
    make_runner: Any, run_until: RunUntil, memory_streams: Any, firehose_server: Any, clock: Any
) -> None:
    shard = memory_streams.shard("one")
    memory_streams.write(shard, "a")
    runner = make_runner(ARN, client=memory_streams, batch_size=3, batching_window_seconds=2)
    started = clock.now()
    run_until(runner, lambda: clock.now() - started > 1.5)
    assert firehose_server.batches == []
    run_until(runner, lambda: len(firehose_server.batches) == 1)
    assert clock.now() - started >= 2
    memory_streams.write(shard, "b", "c", "d")
    started = clock.now()
    run_until(runner, lambda: len(firehose_server.batches) == 2)
    assert clock.now() - started < 2
    assert firehose_server.ids() == ["a", "b", "c", "d"]


def test_what_the_window_still_gathers_is_read_again_after_a_restart(
    make_runner: Any, run_until: RunUntil, stream_table: Any, firehose_server: Any
) -> None:
    stream_table.put("a", "b")
    runner = make_runner(stream_table.stream_arn, batching_window_seconds=300)
    run_until(runner, lambda: runner.status.read == 2)
    assert (runner.status.in_hand, firehose_server.batches) == (2, [])
    run_until(make_runner(stream_table.stream_arn), lambda: len(firehose_server.taken) == 2)
    assert firehose_server.ids() == ["a", "b"]


def test_filtered_records_are_dealt_with_and_move_the_checkpoint(
    make_runner: Any, run_until: RunUntil, stream_table: Any, firehose_server: Any
) -> None:
    stream_table.put("a", "b")
    runner = make_runner(stream_table.stream_arn, filters=('{"eventName": ["REMOVE"]}',))
    run_until(runner, lambda: runner.status.filtered_out == 2)
    again = make_runner(stream_table.stream_arn)
    stream_table.put("c")
    run_until(again, lambda: len(firehose_server.taken) == 1)
    assert firehose_server.ids() == ["c"]


def test_a_restart_goes_on_behind_the_last_batch(
    make_runner: Any, run_until: RunUntil, stream_table: Any, firehose_server: Any
) -> None:
    stream_table.put("a", "b", "c")
    run_until(
        make_runner(stream_table.stream_arn, batch_size=2),
        lambda: len(firehose_server.batches) == 1,
    )
    stream_table.put("d")
    run_until(make_runner(stream_table.stream_arn), lambda: len(firehose_server.taken) == 4)
    assert firehose_server.ids() == ["a", "b", "c", "d"]


def test_a_batch_that_was_not_delivered_is_delivered_after_a_restart(
    make_runner: Any, run_until: RunUntil, stream_table: Any, firehose_server: Any
) -> None:
    firehose_server.refuse = lambda _payloads: (503, "ServiceUnavailableException")
    stream_table.put("a", "b")
    runner = make_runner(stream_table.stream_arn, maximum_retry_attempts=-1)
    run_until(runner, lambda: runner.status.retries == 3)
    firehose_server.refuse = lambda _payloads: set()
    run_until(make_runner(stream_table.stream_arn), lambda: len(firehose_server.taken) == 2)
    assert firehose_server.ids() == ["a", "b"]


def test_a_failing_batch_blocks_what_follows_in_its_shard_only(
    make_runner: Any, run_until: RunUntil, memory_streams: Any, firehose_server: Any
) -> None:
    first, second = memory_streams.shard("one"), memory_streams.shard("two")
    memory_streams.write(first, "bad", "behind")
    memory_streams.write(second, "x", "y")
    firehose_server.refuse = lambda payloads: {n for n, p in enumerate(payloads) if b'"bad"' in p}
    runner = make_runner(ARN, client=memory_streams, batch_size=1, maximum_retry_attempts=3)
    run_until(runner, lambda: runner.status.retries == 3)
    assert firehose_server.ids() == ["x", "y"]
    run_until(runner, lambda: len(firehose_server.taken) == 3)
    assert firehose_server.ids() == ["x", "y", "behind"]
    assert runner.status.dropped == 1


def test_latest_begins_with_the_next_change(
    make_runner: Any, run_until: RunUntil, stream_table: Any, firehose_server: Any
) -> None:
    stream_table.put("before")
    runner = make_runner(stream_table.stream_arn, starting_position="LATEST")
    run_until(runner, lambda: any(shard.caught_up for shard in runner.status.shards.values()))
    stream_table.put("after")
    run_until(runner, lambda: len(firehose_server.taken) == 1)
    assert firehose_server.ids() == ["after"]


def test_a_checkpoint_wins_over_latest(
    make_runner: Any, run_until: RunUntil, stream_table: Any, firehose_server: Any
) -> None:
    stream_table.put("a")
    run_until(make_runner(stream_table.stream_arn), lambda: len(firehose_server.taken) == 1)
    stream_table.put("b")
    latest = make_runner(stream_table.stream_arn, starting_position="LATEST")
    run_until(latest, lambda: len(firehose_server.taken) == 2)
    assert firehose_server.ids() == ["a", "b"]


def test_latest_skips_closed_shards_and_takes_new_ones_whole(
    make_runner: Any, run_until: RunUntil, memory_streams: Any, firehose_server: Any
) -> None:
    old, current = memory_streams.shard("old"), memory_streams.shard("now", parent="old")
    memory_streams.write(old, "long ago")
    memory_streams.write(current, "before")
    old.closed = True
    runner = make_runner(ARN, client=memory_streams, starting_position="LATEST")
    run_until(
        runner, lambda: "now" in runner.status.shards and runner.status.shards["now"].caught_up
    )
    memory_streams.write(current, "after")
    current.closed = True
    memory_streams.write(memory_streams.shard("child", parent="now"), "first", "second")
    run_until(runner, lambda: len(firehose_server.taken) == 3)
    assert firehose_server.ids() == ["after", "first", "second"]


def test_parents_are_read_to_their_end_before_their_children(
    make_runner: Any, run_until: RunUntil, memory_streams: Any, firehose_server: Any
) -> None:
    child = memory_streams.shard("child", parent="parent")
    parent = memory_streams.shard("parent", parent="gone for long")
    memory_streams.write(child, "c", "d")
    memory_streams.write(parent, "a")
    runner = make_runner(ARN, client=memory_streams)
    run_until(runner, lambda: "parent" in runner.status.shards and len(firehose_server.taken) == 1)
    assert "read child" not in memory_streams.calls
    memory_streams.write(parent, "b")
    parent.closed = True
    run_until(runner, lambda: len(firehose_server.taken) == 4)
    assert firehose_server.ids() == ["a", "b", "c", "d"]
    assert runner.status.shards["parent"].finished


def test_a_finished_shard_is_not_read_again_after_a_restart(
    make_runner: Any, run_until: RunUntil, memory_streams: Any, firehose_server: Any
) -> None:
    parent = memory_streams.shard("parent")
    memory_streams.write(parent, "a")
    parent.closed = True
    memory_streams.write(memory_streams.shard("child", parent="parent"), "b")
    run_until(make_runner(ARN, client=memory_streams), lambda: len(firehose_server.taken) == 2)
    memory_streams.calls.clear()
    memory_streams.write(memory_streams.shards[1], "c")
    run_until(make_runner(ARN, client=memory_streams), lambda: len(firehose_server.taken) == 3)
    assert firehose_server.ids() == ["a", "b", "c"]
    assert not [call for call in memory_streams.calls if "parent" in call]


def test_a_shard_the_stream_dropped_leaves_the_checkpoint(
    make_runner: Any, run_until: RunUntil, memory_streams: Any, firehose_server: Any, tmp_path: Path
) -> None:
    memory_streams.write(memory_streams.shard("old"), "a")
    memory_streams.shards[0].closed = True
    run_until(make_runner(ARN, client=memory_streams), lambda: len(firehose_server.taken) == 1)
    memory_streams.shards.clear()
    memory_streams.write(memory_streams.shard("new", parent="old"), "b")
    run_until(make_runner(ARN, client=memory_streams), lambda: len(firehose_server.taken) == 2)
    assert list(json.loads((tmp_path / CHECKPOINT_FILE).read_bytes())["shards"]) == ["new"]


def test_an_old_record_goes_to_the_dead_letter_queue_untried(
    make_runner: Any, run_until: RunUntil, memory_streams: Any, firehose_server: Any, queue: Any
) -> None:
    shard = memory_streams.shard("one")
    memory_streams.write(shard, "old", "new")
    shard.records[0]["dynamodb"]["ApproximateCreationDateTime"] -= timedelta(seconds=61)
    runner = make_runner(
        ARN,
        client=memory_streams,
        maximum_record_age_seconds=60,
        dead_letter_arn=queue.arn,
    )
    run_until(runner, lambda: len(firehose_server.taken) == 1)
    assert firehose_server.ids() == ["new"]
    (message,) = queue.messages()
    first = shard.records[0]["dynamodb"]["SequenceNumber"]
    assert message["DDBStreamBatchInfo"]["shardId"] == "one"
    assert message["DDBStreamBatchInfo"]["startSequenceNumber"] == first
    assert message["context"]["condition"] == "RecordAgeExceeded"


def test_a_record_the_template_makes_nothing_of_is_dead_lettered_and_its_neighbours_delivered(
    make_runner: Any, run_until: RunUntil, stream_table: Any, firehose_server: Any, queue: Any
) -> None:
    stream_table.put("a", name={"S": "plain"})
    stream_table.put("b", name={"S": 'a "quote"'})
    stream_table.put("c", name={"S": "plain"})
    runner = make_runner(
        stream_table.stream_arn,
        input_template='{"dynamodb": <$.dynamodb>, "name": <$.dynamodb.NewImage.name.S>}',
        bisect=True,
        dead_letter_arn=queue.arn,
    )
    run_until(runner, lambda: runner.status.in_hand == 0 and runner.status.read == 3)
    assert firehose_server.ids() == ["a", "c"]
    assert len(queue.messages()) == 1
    assert "quote, a backslash" in str(runner.status.last_failure)


def test_a_full_page_is_followed_by_the_next_without_a_pause(
    make_runner: Any, run_until: RunUntil, memory_streams: Any, firehose_server: Any, clock: Any
) -> None:
    shard = memory_streams.shard("one")
    memory_streams.write(shard, *map(str, range(2500)))
    runner = make_runner(ARN, client=memory_streams, batch_size=500)
    run_until(runner, lambda: len(firehose_server.taken) == 2500)
    assert clock.slept == []
    run_until(runner, lambda: len(clock.slept) > 3)
    assert set(clock.slept) <= {0.25}


def test_a_stream_that_does_not_answer_is_tried_again(
    make_runner: Any, closed_endpoint: str, session: Any, run_until: RunUntil, clock: Any
) -> None:
    once = Config(retries={"total_max_attempts": 1})
    absent = session.client("dynamodbstreams", endpoint_url=closed_endpoint, config=once)
    runner = make_runner(ARN, client=absent)
    run_until(runner, lambda: sum(clock.slept) >= 3)
    assert runner.status.shards == {}


def test_a_throttled_read_is_tried_again_with_growing_pauses(
    make_runner: Any, run_until: RunUntil, memory_streams: Any, firehose_server: Any, clock: Any
) -> None:
    memory_streams.write(memory_streams.shard("one"), "a")
    memory_streams.throttled = 2
    started = clock.now()
    run_until(make_runner(ARN, client=memory_streams), lambda: len(firehose_server.taken) == 1)
    assert clock.now() - started == pytest.approx(1 + 2)


def test_a_stream_turned_off_ends_the_pipe_once_all_is_delivered(
    make_runner: Any, run_until: RunUntil, stream_table: Any, firehose_server: Any
) -> None:
    stream_table.put("a")
    stream_table.turn_stream_off()
    with pytest.raises(StreamGoneError, match="turned off and read to its end"):
        run_until(make_runner(stream_table.stream_arn), lambda: False)
    assert firehose_server.ids() == ["a"]


def test_the_status_tells_positions_counts_and_lag(
    make_runner: Any, run_until: RunUntil, stream_table: Any, firehose_server: Any, tmp_path: Path
) -> None:
    firehose_server.refuse = lambda _payloads: (503, "ServiceUnavailableException")
    stream_table.put("a", "b")
    runner = make_runner(stream_table.stream_arn, maximum_retry_attempts=-1, batch_size=1)
    run_until(runner, lambda: runner.status.retries == 3)
    stuck = read_status(tmp_path)
    assert stuck is not None
    (shard,) = stuck.shards.values()
    assert not stuck.running
    assert (stuck.read, stuck.delivered, stuck.retries, stuck.in_hand) == (2, 0, 3, 2)
    assert shard.sequence_number is None
    assert shard.oldest_in_hand_at is not None
    assert time.time() - shard.oldest_in_hand_at < 60
    assert stuck.last_failure == "ServiceUnavailableException: refused by the test"
    firehose_server.refuse = lambda _payloads: set()
    run_until(runner, lambda: any(each.caught_up for each in runner.status.shards.values()))
    done = read_status(tmp_path)
    assert done is not None
    (shard,) = done.shards.values()
    assert (done.delivered, done.in_hand) == (2, 0)
    assert shard.oldest_in_hand_at is None
    assert shard.sequence_number is not None


def test_a_bad_filter_or_template_stops_the_pipe_before_it_starts(make_runner: Any) -> None:
    with pytest.raises(FilterError, match="wildcard"):
        make_runner(ARN, filters=('{"eventName": [{"wildcard": "*"}]}',))
    with pytest.raises(TemplateError, match="is not JSON"):
        make_runner(ARN, input_template="id <$.eventID>")
