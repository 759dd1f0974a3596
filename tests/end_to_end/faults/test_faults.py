"""Whatever fails on the way, every change is delivered, quarantined or dead-lettered.

`FaultyStack.account` waits for the end of all work, counts, and asserts that nothing is lost and
that no duplicate shows in the latest state; a test adds what its fault in particular comes to.
"""

from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.partitions import partitioner, path
from chalicelib.schema import TABLE
from tests.end_to_end.faults.accounting import Account
from tests.end_to_end.faults.on_the_way import (
    ACCEPTED,
    REFUSED,
    Held,
    Times,
    answer_lost,
    cannot_be_kept,
    changes,
    changes_of,
    gives_up,
    lines,
    operation,
    records,
    refused,
    refused_by_s3,
    without_records,
    writes,
)
from tests.end_to_end.faults.stack import FaultyStack, wait_until

put_record_batch = operation("PutRecordBatch")
throttled = refused("ServiceUnavailableException", 503)


def test_a_change_that_is_taken_away_is_missed(stack: FaultyStack) -> None:
    first_record = without_records(lambda index, _: index == 0, ACCEPTED)
    once = Times(1, first_record)
    with stack.firehose.failing(put_record_batch, once):
        stack.write()
        stack.settle()
    account = stack.accountant.account(stack.run)
    assert account.lost == len(changes(records(once.requests[0])[0])) > 0
    assert account.delivered == account.changes - account.lost


def test_a_feed_killed_before_its_checkpoint_repeats_the_batch_in_hand(stack: FaultyStack) -> None:
    with Held(forwarded=True) as held:
        with stack.firehose.failing(put_record_batch, held):
            stack.write(150)
            batch = changes_of(held.wait())
            stack.process("feed").kill()
        stack.start_feed()
    account = stack.account(f"{stack.feed_part} killed in mid-batch, after Firehose took it")
    assert account.delivered == account.changes
    if stack.feed == "pipe":
        assert account.duplicates == len(batch)
    else:
        # The function does not end with its mapping: it puts once more what got no answer.
        assert account.duplicates >= len(batch)


def test_a_feed_killed_before_firehose_has_the_batch_loses_nothing(stack: FaultyStack) -> None:
    with Held(forwarded=False) as held:
        with stack.firehose.failing(put_record_batch, held):
            stack.write()
            batch = changes_of(held.wait())
            stack.process("feed").kill()
        stack.start_feed()
    account = stack.account(f"{stack.feed_part} killed in mid-batch, before Firehose took it")
    assert account.delivered == account.changes
    # The function does not end with its mapping, as above.
    assert account.duplicates <= (0 if stack.feed == "pipe" else len(batch))


def test_a_function_killed_after_its_put_repeats_the_batch_in_hand(stack: FaultyStack) -> None:
    if stack.feed == "pipe":
        pytest.skip("the pipe has no function")
    with stack.feeding("dying"):
        stack.write(20)
        wait_until(lambda: stack.feed_retries() > 0, "a batch that is tried again")
    account = stack.account("the feed function is killed, after Firehose took the batch")
    assert account.delivered == account.changes
    assert account.duplicates > 0


def test_a_killed_firehose_delivers_what_it_acknowledged(stack: FaultyStack) -> None:
    with Held(forwarded=False) as held:
        with stack.aws.failing(writes(stack.bucket), held):
            stack.write()
            held.wait()
            stack.process("firehose").kill()
        stack.start_firehose()
    account = stack.account("Firehose killed before it wrote to S3")
    assert account.delivered == account.changes
    assert account.duplicates == 0


def test_a_firehose_killed_after_its_write_repeats_the_objects_in_hand(stack: FaultyStack) -> None:
    with Held(forwarded=True) as held:
        with stack.aws.failing(writes(stack.bucket), held):
            stack.write()
            held.wait()
            stack.process("firehose").kill()
        stack.start_firehose()
    account = stack.account("Firehose killed after it wrote to S3")
    assert account.delivered == account.changes
    assert account.duplicates == sum(len(lines(request)) for request in held.requests)


def test_a_throttling_firehose_gets_every_batch_again(stack: FaultyStack) -> None:
    with stack.firehose.failing(put_record_batch, Times(4, throttled)):
        stack.write()
        account = stack.account("Firehose throttles whole batches")
    assert account.delivered == account.changes
    assert account.duplicates == 0


def test_records_throttled_out_of_a_batch_are_put_again_alone(stack: FaultyStack) -> None:
    every_third = without_records(lambda index, _: index % 3 == 0, REFUSED)
    with stack.firehose.failing(put_record_batch, Times(2, every_third)):
        stack.write_many(range(1_200))
        account = stack.account("Firehose throttles every third record")
    assert account.delivered == account.changes
    assert account.duplicates == 0


def test_a_batch_whose_answer_is_lost_is_repeated(stack: FaultyStack) -> None:
    once = Times(1, answer_lost)
    with stack.firehose.failing(put_record_batch, once):
        stack.write()
        account = stack.account("Firehose's answer is lost")
    assert account.delivered == account.changes
    assert account.duplicates == len(changes_of(once.requests[0]))


def check_given_up(stack: FaultyStack, account: Account, record_id: str) -> None:
    """The pipe gave up the change of one record alone, and the function what goes with it."""
    given_up = [
        change["dynamodb"]["Keys"]["id"]["S"] for change in stack.accountant.given_up(stack.run)
    ]
    assert record_id in given_up
    assert account.given_up == len(given_up)
    assert account.delivered == account.changes - account.given_up
    if stack.feed == "pipe":
        assert account.given_up == 1


def test_a_record_that_is_refused_for_good_is_given_up(stack: FaultyStack) -> None:
    refused_record = stack.record(20)["id"]
    never = without_records(lambda _, data: f'"{refused_record}"'.encode() in data, REFUSED)
    with stack.giving_up_at_once(), stack.firehose.failing(put_record_batch, never):
        stack.write()
        account = stack.account("Firehose never takes one record")
    check_given_up(stack, account, refused_record)
    assert account.duplicates == 0


def test_what_is_given_up_waits_for_its_place(stack: FaultyStack) -> None:
    refused_record = stack.record(20)["id"]
    never = without_records(lambda _, data: f'"{refused_record}"'.encode() in data, REFUSED)
    with (
        stack.giving_up_at_once(),
        stack.firehose.failing(put_record_batch, never),
        stack.aws.failing(gives_up, Times(3, cannot_be_kept)),
    ):
        stack.write()
        account = stack.account("the same, and what is given up cannot be kept for a while")
    check_given_up(stack, account, refused_record)


def large_item(stack: FaultyStack) -> dict[str, Any]:
    """An item of which one image fits into a Firehose record, and two do not."""
    return {
        "id": {"S": f"{stack.run}-large"},
        "siteId": {"S": "faults-large"},
        "createdAtTime": {"N": "1700076551926"},
        # A quote takes two bytes in JSON.
        "name": {"S": '"' * 390_000},
    }


def test_a_change_over_firehoses_record_limit_is_given_up_alone(stack: FaultyStack) -> None:
    large = large_item(stack)
    stack.dynamodb.put_item(TableName=stack.table, Item=large)
    stack.dynamodb.put_item(TableName=stack.table, Item={**large, "valueOne": {"N": "1"}})
    stack.write()
    account = stack.account("one change is over Firehose's record limit")
    (given_up,) = stack.accountant.given_up(stack.run)
    assert (given_up["eventName"], given_up["dynamodb"]["Keys"]["id"]) == ("MODIFY", large["id"])
    assert account.delivered == account.changes - 1
    assert account.duplicates == 0


def test_ten_thousand_neighbours_of_a_change_that_cannot_be_put_are_delivered(
    stack: FaultyStack,
) -> None:
    large = large_item(stack)
    stack.dynamodb.put_item(TableName=stack.table, Item=large)
    stack.write_many(range(5_000))
    stack.dynamodb.put_item(TableName=stack.table, Item={**large, "valueOne": {"N": "1"}})
    stack.write_many(range(5_000, 10_000))
    account = stack.account("one of 10,000 changes is over the limit")
    assert account.changes > 10_000
    assert account.given_up == 1
    assert account.delivered == account.changes - 1


def test_a_transform_that_raises_has_its_batch_quarantined(stack: FaultyStack) -> None:
    with stack.transforming("raising"):
        stack.write()
        account = stack.account("the transform raises")
    assert account.quarantined == account.changes
    assert stack.accountant.error_codes(stack.run) == {"Lambda.FunctionError": account.changes}


def test_a_transform_that_recovers_in_time_delivers_its_batch(stack: FaultyStack) -> None:
    with stack.transforming("raising"):
        stack.write()
        stack.wait_for_log("attempt 1 for")
    account = stack.account("the transform raises, then recovers")
    assert account.delivered == account.changes
    assert account.duplicates == 0


def test_a_transform_that_times_out_has_its_batch_quarantined(stack: FaultyStack) -> None:
    with stack.transforming("sleeping", Timeout=1):
        stack.write()
        account = stack.account("the transform times out")
    assert account.quarantined == account.changes


def test_answers_that_nobody_asked_for_are_ignored(stack: FaultyStack) -> None:
    with stack.transforming("too_much"):
        stack.write()
        account = stack.account("the transform answers too much")
    assert account.delivered == account.changes
    assert account.duplicates == 0


def test_records_without_an_answer_are_quarantined_alone(stack: FaultyStack) -> None:
    with stack.transforming("too_little"):
        stack.write()
        account = stack.account("the transform answers too little")
    assert account.delivered > 0
    assert account.quarantined == account.changes - account.delivered > 0
    assert set(stack.accountant.error_codes(stack.run)) == {"Lambda.MissingRecordId"}


def test_records_answered_twice_are_quarantined_alone(stack: FaultyStack) -> None:
    with stack.transforming("twice"):
        stack.write()
        account = stack.account("the transform answers twice")
    assert account.delivered > 0
    assert account.quarantined == account.changes - account.delivered > 0
    assert set(stack.accountant.error_codes(stack.run)) == {"Lambda.DuplicatedRecordId"}


def test_answers_in_the_wrong_order_reach_the_records_they_are_for(stack: FaultyStack) -> None:
    poison = {"id": {"S": f"{stack.run}-without-site"}, "createdAtTime": {"N": "1700076551926"}}
    with stack.transforming("reverse"):
        stack.dynamodb.put_item(TableName=stack.table, Item=poison)
        stack.write()
        account = stack.account("the transform answers in the wrong order, one record is poison")
    assert account.quarantined == 1
    assert account.delivered == account.changes - 1
    assert account.duplicates == 0


def test_an_answer_over_six_megabytes_has_its_batch_quarantined(stack: FaultyStack) -> None:
    with stack.transforming("oversized"):
        stack.write()
        account = stack.account("the transform answers over 6 MB")
    assert account.quarantined == account.changes


def test_objects_that_s3_refuses_for_a_while_are_written_once(stack: FaultyStack) -> None:
    with stack.aws.failing(writes(stack.bucket), Times(6, refused_by_s3)):
        stack.write()
        account = stack.account("S3 refuses writes for a while")
    assert account.delivered == account.changes
    assert account.duplicates == 0


def test_an_object_whose_answer_is_lost_is_written_over_itself(stack: FaultyStack) -> None:
    with stack.aws.failing(writes(stack.bucket), Times(3, answer_lost)):
        stack.write()
        account = stack.account("S3's answers are lost")
    assert account.delivered == account.changes
    assert account.duplicates == 0


def test_a_throttled_stream_is_read_to_its_end(stack: FaultyStack) -> None:
    with stack.aws.failing(operation("GetRecords"), Times(5, refused("LimitExceededException"))):
        stack.write()
        account = stack.account("the table's stream throttles its reader")
    assert account.delivered == account.changes
    assert account.duplicates == 0


def test_what_a_throttled_table_took_through_the_api_arrives(stack: FaultyStack) -> None:
    function = stack.api_function()
    variables = function["Environment"]["Variables"]
    through_proxy = {"Variables": {**variables, "AWS_ENDPOINT_URL_DYNAMODB": stack.aws.url}}
    full = refused("ProvisionedThroughputExceededException")
    with stack.configured(function["FunctionName"], Environment=through_proxy):
        with stack.aws.failing(operation("BatchWriteItem"), Times(5, full)):
            stack.write()
        with stack.aws.failing(operation("PutItem"), Times(3, full)):
            status, _ = stack.api.request("POST", "/records", stack.record(99))
    assert status == 201
    account = stack.account("the table throttles the API")
    assert account.changes == 30 + 8 + 2 + 1
    assert account.delivered == account.changes


def test_partitions_beyond_the_five_hundredth_are_quarantined(stack: FaultyStack) -> None:
    sites = [stack.record(index, siteId=f"faults-{stack.run}-{index}") for index in range(600)]
    with stack.buffering(600):
        stack.api.request("POST", "/records/batch", sites[:500])
        stack.api.request("POST", "/records/batch", sites[500:])
        stack.wait_for_log("ActivePartitionsLimitExceeded", 100)
    account = stack.account("600 partitions are active at once")
    # Left in the table they would have a later backfill meet the same limit.
    stack.remove(sites)
    assert (account.delivered, account.quarantined) == (500, 100)
    assert account.duplicates == 0


def test_a_layout_changed_under_load_loses_and_misplaces_nothing(
    stack: FaultyStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    coarser = TABLE.layout[:-2]
    folders = [partitioner(TABLE.with_layout(layout)) for layout in (TABLE.layout, coarser)]

    def layouts() -> set[int]:
        """Which of the layouts the objects of this run are laid out by."""
        return {
            [path(keys(SimpleNamespace(**line))) for keys in folders].index(
                key[: key.rindex("/") + 1]
            )
            for key, line in stack.accountant.lines(stack.run)
        }

    with stack.load(), stack.laid_out(coarser) as update_the_stream:
        wait_until(lambda: bool(stack.accountant.error_codes(stack.run)), "records in quarantine")
        update_the_stream()
        wait_until(lambda: 1 in layouts(), "objects of the new layout")
    account = stack.account("the layout changes under load")
    assert account.quarantined > 0
    assert set(stack.accountant.error_codes(stack.run)) == {
        "DynamicPartitioning.MetadataExtractionFailed"
    }
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    stack.replay()
    account = stack.account("the same, and a replay afterwards")
    assert account.delivered == account.changes
    assert layouts() <= {0, 1}
