"""The status of each part, also where AWS does not answer."""

import gzip
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from chalicelib.metrics import DIMENSION, NAMESPACE, ODD_TIMES
from sluice.compaction.run import compact
from sluice.compaction.tables import LakeTables
from sluice.lake import objects
from sluice.stack import Stack
from sluice.status import PartStatus, _compacted, status
from sluice.wording import age, counted, printable
from tests.fakes import error_line, lake_line
from tests.sluice.conftest import ErrorObjects


def found(stack: Stack, part: str) -> PartStatus:
    (finding,) = [each for each in status(stack) if each.part == part]
    return finding


def test_a_part_that_cannot_be_probed_is_unknown_and_needs_a_person(stack: Stack) -> None:
    pipe = found(stack, "pipe")
    assert pipe.summary == "unknown: the stack Sluice-test has no output PipeName"
    assert pipe.needs_person


def test_an_empty_queue_and_an_empty_lake_need_nobody(stack: Stack) -> None:
    for part in ("dead letters", "delivery", "compacted", "errors", "alarms"):
        assert not found(stack, part).needs_person
    assert found(stack, "delivery").summary == "nothing is delivered yet"


def test_compacted_changes_that_no_view_shows_need_a_person(
    stack: Stack, aws_environment: pytest.MonkeyPatch, emulator: str
) -> None:
    stack.s3.put_object(Bucket=stack.bucket, Key="data/a.gz", Body=gzip.compress(lake_line()))
    compact(LakeTables(stack, stack.table), list(objects(stack, "data/")), [])
    assert not found(stack, "compacted").needs_person
    assert found(stack, "delivery").summary == "all is compacted"
    aws_environment.delenv("AWS_ENDPOINT_URL")
    for name in ("S3", "GLUE"):
        aws_environment.setenv(f"AWS_ENDPOINT_URL_{name}", emulator)
    as_on_aws = _compacted(Stack(stack.name, stack.outputs))
    assert as_on_aws.needs_person
    assert "no query sees it: deploy with -c compaction=manual" in as_on_aws.summary


def test_dead_letters_need_a_person_and_are_left_alone(stack: Stack) -> None:
    queue = stack.output("DeadLetterQueueUrl")
    stack.sqs.send_message(QueueUrl=queue, MessageBody="{}")
    letters = found(stack, "dead letters")
    assert letters.needs_person
    assert letters.facts["depth"] == 1
    assert "sluice redrive" in letters.summary
    assert stack.sqs.receive_message(QueueUrl=queue)["Messages"]


def test_the_newest_change_of_the_newest_object_is_reported(stack: Stack) -> None:
    lines = b"\n".join(lake_line(changedAt=at) for at in (1700076551000, 1700076552000))
    stack.s3.put_object(Bucket=stack.bucket, Key="data/a.gz", Body=gzip.compress(lines))
    delivery = found(stack, "delivery")
    assert delivery.facts["newestChangeAt"] == datetime.fromtimestamp(1700076552, UTC)
    assert not delivery.needs_person


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not a line\n",
        gzip.compress(b"{}\n", mtime=0)[:-4],
        b"[]\n",
        b'{"changedAt": "\xff"}\n',
    ],
)
def test_an_object_that_is_not_of_the_lake_hides_nothing_else(stack: Stack, body: bytes) -> None:
    stack.s3.put_object(Bucket=stack.bucket, Key="data/foreign", Body=body)
    delivery = found(stack, "delivery")
    assert delivery.facts["newestChangeAt"] is None
    assert "the newest object was written" in delivery.summary


def test_error_objects_need_a_person_with_count_and_time(
    stack: Stack, put_errors: ErrorObjects
) -> None:
    put_errors(error_line(b"a", at=1_000), error_line(b"b", at=2_000))
    errors = found(stack, "errors")
    assert errors.needs_person
    assert errors.facts == {
        "objects": 1,
        "records": 2,
        "newestAt": datetime.fromtimestamp(2, UTC),
    }


def test_an_alarm_of_this_stack_alone_needs_a_person(stack: Stack) -> None:
    cloudwatch = boto3.client("cloudwatch")
    names = ["Sluice-test-Alarm", "Other-Alarm"]
    for name in names:
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            MetricName="m",
            Namespace="n",
            Period=60,
            EvaluationPeriods=1,
            Statistic="Sum",
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
        )
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
    try:
        alarms = found(stack, "alarms")
    finally:
        cloudwatch.delete_alarms(AlarmNames=names)
    assert alarms.needs_person
    assert alarms.facts == {"total": 1, "inAlarm": ["Sluice-test-Alarm"]}


def test_times_of_another_unit_need_a_person_for_a_day(stack: Stack) -> None:
    named = Stack(stack.name, {**stack.outputs, "TransformName": stack.bucket})
    assert found(named, "event times").summary.startswith("0 records of the last 24 h ")
    assert not found(named, "event times").needs_person
    now = datetime.now(UTC)
    for ago, count in ((timedelta(0), 2), (timedelta(hours=23), 3), (timedelta(hours=26), 50)):
        boto3.client("cloudwatch").put_metric_data(
            Namespace=NAMESPACE,
            MetricData=[
                {
                    "MetricName": ODD_TIMES,
                    "Dimensions": [{"Name": DIMENSION, "Value": stack.bucket}],
                    "Timestamp": now - ago,
                    "Value": count,
                }
            ],
        )
    times = found(named, "event times")
    assert times.needs_person
    assert times.facts == {"implausible": 5}
    assert "`sluice logs --part transform` names them" in times.summary


@pytest.mark.parametrize(
    ("ago", "words"),
    [(-5, "0 s ago"), (119, "119 s ago"), (120, "2 min ago"), (7200, "2 h ago"), (9e5, "10 d ago")],
)
def test_an_age_is_given_in_a_unit_that_fits(ago: float, words: str) -> None:
    now = datetime.now(UTC)
    assert age(now - timedelta(seconds=ago), now) == words


def test_one_thing_is_counted_in_the_singular() -> None:
    assert [counted(n, "record") for n in (0, 1, 2)] == ["0 records", "1 record", "2 records"]


def test_text_from_outside_cannot_steer_a_terminal() -> None:
    assert printable("a\x1b[31mb\nc \N{SNOWMAN}") == r"a\u001b[31mb\nc " "\N{SNOWMAN}"
