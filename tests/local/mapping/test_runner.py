"""Changes go to the function as Lambda's documentation says; what it fails is tried or given up."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib.limits import INVOCATION_BYTES_MAX
from local.mapping.failure_objects import FailureObjects
from local.mapping.runner import mapping_runner
from local.stream.checkpoint import StreamCheckpoint
from local.stream.runner import Pace
from local.stream.status import Status, StatusFile
from sluice.stream import Stream
from tests.fakes import MemoryStreams
from tests.local.mapping.conftest import ARN, Define, MemoryBucket, ScriptedFunction, refused
from tests.local.virtual_clock import VirtualClock

DEADLINE_SECONDS = 30

Run = Callable[..., Status]


@pytest.fixture
def run(
    define: Define,
    function: ScriptedFunction,
    bucket: MemoryBucket,
    memory_streams: MemoryStreams,
    clock: VirtualClock,
    tmp_path: Path,
) -> Run:
    """Runs a mapping, with these differences, until the changes with these keys are done with."""

    def run_through(keys: str = "", **differences: Any) -> Status:
        definition = define(**differences)
        shards = memory_streams.shards
        shard = shards[0] if shards else memory_streams.shard("one")
        memory_streams.write(shard, *keys)
        client: Any = memory_streams
        failures: Any = bucket
        lambda_client: Any = function
        runner = mapping_runner(
            definition,
            Stream(client, ARN),
            lambda_client,
            FailureObjects.of(definition, failures),
            StreamCheckpoint(tmp_path, ARN),
            StatusFile(tmp_path),
            clock,
            Pace(backoff=float),
        )
        deadline = time.monotonic() + DEADLINE_SECONDS

        def done() -> bool:
            assert time.monotonic() < deadline, runner.status
            shard = runner.status.shards.get("one")
            return shard is not None and shard.caught_up and not runner.status.in_hand

        runner.run(done)
        return runner.status

    return run_through


def report(*identifiers: Any, name: str = "itemIdentifier") -> dict[str, Any]:
    return {"batchItemFailures": [{name: each} for each in identifiers]}


def number(place: int) -> str:
    """The sequence number of the n-th change."""
    return f"{place:021}"


def test_the_event_is_lambdas_and_the_checkpoint_follows_it(
    run: Run, function: ScriptedFunction
) -> None:
    run("ab")
    (event,) = function.events
    first = event["Records"][0]
    assert first["eventSourceARN"] == ARN
    assert isinstance(first["dynamodb"]["ApproximateCreationDateTime"], int | float)
    assert first["dynamodb"]["SequenceNumber"] == number(1)
    run("c")
    assert function.keys == ["ab", "c"]


def test_the_filter_leaves_changes_out(run: Run, function: ScriptedFunction) -> None:
    status = run("ab", FilterCriteria={"Filters": [{"Pattern": '{"eventName": ["REMOVE"]}'}]})
    assert function.events == []
    assert (status.read, status.filtered_out) == (2, 2)


def test_batches_are_as_large_as_the_batch_size(run: Run, function: ScriptedFunction) -> None:
    run("abcde", BatchSize=2)
    assert function.keys == ["ab", "cd", "e"]


def test_a_window_waits_for_more_changes(
    run: Run, function: ScriptedFunction, clock: VirtualClock
) -> None:
    began = clock.monotonic()
    run("ab", MaximumBatchingWindowInSeconds=5)
    assert function.keys == ["ab"]
    assert clock.monotonic() - began >= 5


def test_an_event_stays_within_six_megabytes(
    run: Run, function: ScriptedFunction, memory_streams: MemoryStreams
) -> None:
    shard = memory_streams.shard("one")
    memory_streams.write(shard, *(letter * 700_000 for letter in "abcdefghij"))
    status = run()
    assert len(function.sizes) == 2
    assert max(function.sizes) <= INVOCATION_BYTES_MAX
    assert status.delivered == 10


def test_half_of_a_surrogate_pair_reaches_the_function(
    run: Run, function: ScriptedFunction, memory_streams: MemoryStreams
) -> None:
    memory_streams.write(memory_streams.shard("one"), "\ud800")
    run()
    assert function.keys == ["\ud800"]


@pytest.mark.parametrize("answer", [None, "", {}, b"", report(), {"batchItemFailures": None}])
def test_an_answer_without_failures_is_a_success(
    run: Run, function: ScriptedFunction, answer: Any
) -> None:
    function.answer = lambda _keys: answer
    assert run("abc").delivered == 3
    assert function.keys == ["abc"]


@pytest.mark.parametrize(
    "answer",
    [
        report(""),
        report(None),
        report(number(1), name="itemIdentifer"),
        report("not in the batch"),
        report({}),
        ["a list"],
        b"no JSON",
        RuntimeError("raised"),
    ],
)
def test_anything_else_fails_the_batch_which_is_halved_without_a_retry_being_counted(
    run: Run, function: ScriptedFunction, bucket: MemoryBucket, answer: Any
) -> None:
    function.answer = lambda keys: answer if "c" in keys else None
    status = run("abcd", MaximumRetryAttempts=1)
    assert function.keys == ["abcd", "ab", "cd", "c", "c", "d"]
    assert (status.delivered, status.given_up) == (3, 1)
    (document,) = bucket.objects.values()
    assert document["requestContext"]["approximateInvokeCount"] == 2


def test_the_batch_goes_on_at_the_lowest_reported_change(
    run: Run, function: ScriptedFunction
) -> None:
    answers = iter([report(number(4), number(3)), report(number(4)), None])
    function.answer = lambda _keys: next(answers)
    assert run("abcd", MaximumRetryAttempts=0).delivered == 4
    assert function.keys == ["abcd", "cd", "d"]


def test_without_bisecting_each_report_is_a_retry(run: Run, function: ScriptedFunction) -> None:
    answers = iter([report(number(2)), report(number(3)), None])
    function.answer = lambda _keys: next(answers)
    status = run("abc", MaximumRetryAttempts=1, BisectBatchOnFunctionError=False)
    assert function.keys == ["abc", "bc"]
    assert (status.delivered, status.given_up) == (2, 1)


def test_a_report_is_nothing_unless_it_was_asked_for(run: Run, function: ScriptedFunction) -> None:
    function.answer = lambda _keys: report(number(1))
    assert run("ab", FunctionResponseTypes=[]).delivered == 2
    assert function.keys == ["ab"]


def test_when_the_first_change_fails_to_the_end_the_rest_is_given_up_with_its_payload(
    run: Run, function: ScriptedFunction, bucket: MemoryBucket, clock: VirtualClock
) -> None:
    function.answer = lambda keys: report(number(2)) if "b" in keys else None
    began = clock.now()
    status = run("abc", MaximumRetryAttempts=2)
    assert function.keys == ["abc", "bc", "bc", "bc"]
    assert (status.delivered, status.given_up) == (1, 2)
    ((key, document),) = bucket.objects.items()
    day = time.strftime("%Y/%m/%d", time.gmtime(began))
    assert key.startswith(f"aws/lambda/7d0b/one/{day}/{day.replace('/', '-')}T")
    assert document["requestContext"] == {
        "requestId": "request-4",
        "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:feed",
        "condition": "RetryAttemptsExhausted",
        "approximateInvokeCount": 3,
    }
    assert document["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": None,
    }
    batch = document["DDBStreamBatchInfo"]
    assert (batch["startSequenceNumber"], batch["endSequenceNumber"]) == (number(2), number(3))
    assert (batch["batchSize"], batch["shardId"], batch["streamArn"]) == (2, "one", ARN)
    assert json.loads(document["payload"]) == function.events[-1]


def test_changes_wait_for_a_function_that_cannot_be_invoked_until_they_are_too_old(
    run: Run, function: ScriptedFunction, bucket: MemoryBucket
) -> None:
    refusals = iter([refused("TooManyRequestsException", 429)] * 20)
    function.answer = lambda _keys: next(refusals, None)
    assert run("a", MaximumRetryAttempts=0).delivered == 1
    function.answer = lambda _keys: refused("TooManyRequestsException", 429)
    status = run("b", MaximumRecordAgeInSeconds=900)
    assert (status.delivered, status.given_up) == (0, 1)
    (document,) = bucket.objects.values()
    assert document["requestContext"]["condition"] == "RecordAgeExceeded"
    assert document["requestContext"]["approximateInvokeCount"] == 0
    assert document["responseContext"] is None


def test_a_change_past_its_age_is_given_up_untried(
    run: Run, function: ScriptedFunction, bucket: MemoryBucket, clock: VirtualClock
) -> None:
    clock.sleep(3601)
    assert run("ab", MaximumRecordAgeInSeconds=3600).given_up == 2
    assert function.events == []
    (document,) = bucket.objects.values()
    assert document["DDBStreamBatchInfo"]["batchSize"] == 2


def test_what_is_given_up_waits_for_its_bucket(
    run: Run, function: ScriptedFunction, bucket: MemoryBucket
) -> None:
    function.answer = lambda _keys: RuntimeError("raised")
    bucket.refusals = 3
    assert run("a", MaximumRetryAttempts=0).given_up == 1
    assert len(bucket.objects) == 1


def test_without_a_destination_what_is_given_up_is_dropped(
    run: Run, function: ScriptedFunction
) -> None:
    function.answer = lambda _keys: RuntimeError("raised")
    assert run("a", MaximumRetryAttempts=0, DestinationConfig={}).dropped == 1
