"""The remedies that a comparison ends with: each where it helps, in the order to follow."""

from collections.abc import Callable

import pytest

from sluice.stack import Stack
from sluice.verify.compare import Drift
from sluice.verify.deployed import remedies
from tests.fakes import error_line

MISSING = Drift("missing", ("a",), "1", 0)
STALE = Drift("stale", ("b",), "1", 2)
DELETED_AND_BACK = Drift("missing", ("c",), "1", 2)
SURPLUS = Drift("surplus", ("d",), "1", 1)
UNREADABLE = Drift("missing", ("e",), "1", 0, "valueOne is above 9223372036854775807")

RESTORED = "sluice backfill --restored-at MOMENT: the lake has only other versions"


def test_without_a_drift_there_is_nothing_to_do(
    stack: Stack, put_errors: Callable[..., str]
) -> None:
    put_errors(error_line(b"a"))
    assert remedies(stack, []) == []


@pytest.mark.parametrize(
    ("drift", "remedy"),
    [
        (MISSING, "sluice backfill: the lake has no version of some records"),
        (STALE, RESTORED),
        (DELETED_AND_BACK, RESTORED),
        (SURPLUS, "sluice query history --key ID: the lake has records that the table does not"),
        (UNREADABLE, "correct the item; or correct the declaration, deploy,"),
    ],
)
def test_each_drift_has_the_one_remedy_that_helps(stack: Stack, drift: Drift, remedy: str) -> None:
    (command,) = remedies(stack, [drift])
    assert command.startswith(remedy)


def test_what_waits_comes_first_and_a_reason_is_named_once_with_its_count(
    stack: Stack, put_errors: Callable[..., str]
) -> None:
    put_errors(error_line(b"a"))
    stack.sqs.send_message(QueueUrl=stack.output("DeadLetterQueueUrl"), MessageBody="{}")
    commands = remedies(stack, [SURPLUS, STALE, MISSING, UNREADABLE, UNREADABLE])
    assert commands[:2] == [
        "sluice replay: 1 error object in quarantine",
        "sluice redrive: 1 dead letter",
    ]
    assert commands[2].endswith("backfill: valueOne is above 9223372036854775807, in 2 records")
    assert [command.partition(":")[0] for command in commands[3:]] == [
        "sluice backfill",
        "sluice backfill --restored-at MOMENT",
        "sluice query history --key ID",
    ]
