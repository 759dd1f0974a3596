"""Whatever this machine does to the parts of the local run, nothing is lost, and it is reported.

The parts are watched as `make dev` watches them: `FaultyStack.wait_for_report` asserts that a line
comes within ten seconds.
"""

import os
import signal

from local.supervisor import Patience
from tests.end_to_end.faults.on_the_way import (
    Held,
    Times,
    invocations,
    operation,
    refused,
    writes,
)
from tests.end_to_end.faults.stack import FaultyStack, wait_until


def test_a_feed_that_stopped_unseen_is_reported_and_restarted(stack: FaultyStack) -> None:
    os.kill(stack.process("feed").pid, signal.SIGSTOP)
    stack.write()
    patience = Patience(silent_seconds=2, hung_seconds=4, invocation_seconds=0)
    report = stack.wait_for_report("restarting it", patience)
    assert report.startswith(
        f"the local {stack.feed_part} did nothing for too long and was killed; "
    )
    account = stack.account(f"{stack.feed_part} stopped without a word")
    assert account.delivered == account.changes
    assert account.duplicates == 0


def test_a_firehose_killed_during_the_transform_delivers_what_it_acknowledged(
    stack: FaultyStack,
) -> None:
    with Held(forwarded=True) as held:
        with stack.aws.failing(invocations(stack.transform), held):
            stack.write()
            held.wait()
            stack.process("firehose").kill()
        stack.wait_for_report("the local firehose was killed by SIGKILL")
    account = stack.account("Firehose killed while a batch is in the transform")
    assert account.delivered == account.changes
    assert account.duplicates == 0


def test_a_full_disk_holds_everything_up_until_there_is_room(stack: FaultyStack) -> None:
    pids = [stack.process(name).pid for name in ("feed", "firehose")]
    with Held(forwarded=True) as held, stack.aws.failing(writes(stack.bucket), held):
        stack.write()
        held.wait()
        with stack.full_disk():
            stack.write(20)
            stack.wait_for_report(f"the local {stack.feed_part} has done nothing for 5 s")
    account = stack.account("the disk is full for a while")
    assert [stack.process(name).pid for name in ("feed", "firehose")] == pids
    assert account.delivered == account.changes
    assert account.duplicates == 0


def test_a_clock_set_back_holds_nothing_up(stack: FaultyStack) -> None:
    with stack.by_a_clock() as set_clock:
        with Held(forwarded=False) as held, stack.aws.failing(invocations(stack.transform), held):
            stack.write()
            held.wait()
            set_clock(-3600)
            stack.write(20)
        account = stack.account("the clock is set back by an hour")
        set_clock(24 * 3600)
        stack.write(10)
        stack.settle()
    assert account.delivered == account.changes
    assert account.duplicates == 0


def test_a_day_without_firehose_leaves_every_change_where_it_can_be_brought_back_from(
    stack: FaultyStack,
) -> None:
    with stack.by_a_clock() as set_clock:
        refusing = Times(10_000, refused("ServiceUnavailableException", 503))
        with stack.firehose.failing(operation("PutRecordBatch"), refusing):
            stack.write()
            wait_until(lambda: bool(refusing.requests), "a refused batch")
            set_clock(24 * 3600)
            account = stack.account("no Firehose for a day")
            assert account.given_up == account.changes
        if stack.feed == "pipe":
            return  # Its dead letters were taken from their queue to be counted.
        stack.redrive()
        account = stack.account("the same, and a redrive afterwards")
    assert account.delivered == account.changes
