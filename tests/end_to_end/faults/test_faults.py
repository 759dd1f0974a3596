"""Whatever fails on the way, every change is delivered, quarantined or dead-lettered.

`FaultyStack.account` waits for the end of all work, counts, and asserts that nothing is lost and
that no duplicate shows in the latest state; a test adds what its fault in particular comes to.
"""

from types import SimpleNamespace

import pytest

from chalicelib.partitions import partitioner, path
from chalicelib.schema import TABLE
from tests.end_to_end.faults.on_the_way import (
    ACCEPTED,
    REFUSED,
    Held,
    Times,
    answer_lost,
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
    with stack.firehose.failing(put_record_batch, Times(1, first_record)):
        stack.write()
        stack.settle()
    account = stack.accountant.account(stack.run)
    assert account.lost == 1
    assert account.delivered == account.changes - 1


def test_a_pipe_killed_before_its_checkpoint_repeats_the_batch_in_hand(stack: FaultyStack) -> None:
    with Held(forwarded=True) as held:
        with stack.firehose.failing(put_record_batch, held):
            stack.write(150)
            batch = records(held.wait())
            stack.process("pipe").kill()
        stack.start_pipe()
    account = stack.account("pipe killed in mid-batch, after Firehose took it")
    assert account.delivered == account.changes
    assert account.duplicates == len(batch)


def test_a_pipe_killed_before_firehose_has_the_batch_repeats_nothing(stack: FaultyStack) -> None:
    with Held(forwarded=False) as held:
        with stack.firehose.failing(put_record_batch, held):
            stack.write()
            held.wait()
            stack.process("pipe").kill()
        stack.start_pipe()
    account = stack.account("pipe killed in mid-batch, before Firehose took it")
    assert account.delivered == account.changes
    assert account.duplicates == 0


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
        stack.write()
        account = stack.account("Firehose throttles every third record")
    assert account.delivered == account.changes
    assert account.duplicates == 0


def test_a_batch_whose_answer_is_lost_is_repeated(stack: FaultyStack) -> None:
    once = Times(1, answer_lost)
    with stack.firehose.failing(put_record_batch, once):
        stack.write()
        account = stack.account("Firehose's answer is lost")
    assert account.delivered == account.changes
    assert account.duplicates == len(records(once.requests[0]))


def test_a_record_that_is_refused_for_good_is_dead_lettered_alone(stack: FaultyStack) -> None:
    refused_record = stack.record(20)["id"]
    never = without_records(lambda _, data: f'"{refused_record}"'.encode() in data, REFUSED)
    with stack.firehose.failing(put_record_batch, never):
        stack.write()
        account = stack.account("Firehose never takes one record")
    assert account.dead_lettered == 1
    assert account.delivered == account.changes - 1
    assert account.duplicates == 0


def test_a_dead_letter_waits_for_its_queue(stack: FaultyStack) -> None:
    refused_record = stack.record(20)["id"]
    never = without_records(lambda _, data: f'"{refused_record}"'.encode() in data, REFUSED)
    with (
        stack.firehose.failing(put_record_batch, never),
        stack.aws.failing(operation("SendMessage"), Times(3, refused("InternalError", 500))),
    ):
        stack.write()
        account = stack.account("the same, and the dead-letter queue fails for a while")
    assert account.dead_lettered == 1
    assert account.delivered == account.changes - 1


def test_a_change_over_firehoses_record_limit_is_dead_lettered_alone(stack: FaultyStack) -> None:
    # A quote takes two bytes in JSON: one image of this item fits into a record, two do not.
    large = {
        "id": {"S": f"{stack.run}-large"},
        "siteId": {"S": "faults-large"},
        "createdAtTime": {"N": "1700076551926"},
        "name": {"S": '"' * 390_000},
    }
    stack.dynamodb.put_item(TableName=stack.table, Item=large)
    stack.dynamodb.put_item(TableName=stack.table, Item={**large, "valueOne": {"N": "1"}})
    stack.write()
    account = stack.account("one change is over Firehose's record limit")
    (given_up,) = stack.accountant.dead_lettered(stack.run)
    assert (given_up["eventName"], given_up["dynamodb"]["Keys"]["id"]) == ("MODIFY", large["id"])
    assert account.delivered == account.changes - 1
    assert account.duplicates == 0


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
        account = stack.account("the table's stream throttles the pipe")
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
