"""Whatever this machine does to the parts of the local run, nothing is lost, and it is reported.

The parts are watched as `make dev` watches them: `FaultyStack.wait_for_report` asserts that a line
comes within ten seconds.
"""

import os
import signal

from local.supervisor import Patience
from tests.end_to_end.faults.on_the_way import Held, invocations, writes
from tests.end_to_end.faults.stack import FaultyStack


def test_a_pipe_that_stopped_unseen_is_reported_and_restarted(stack: FaultyStack) -> None:
    os.kill(stack.process("pipe").pid, signal.SIGSTOP)
    stack.write()
    report = stack.wait_for_report("restarting it", Patience(silent_seconds=2, hung_seconds=4))
    assert report.startswith("the local pipe did nothing for too long and was killed; ")
    account = stack.account("pipe stopped without a word")
    assert account.delivered == account.changes
    assert account.duplicates == 0


def test_a_firehose_killed_during_the_transform_delivers_what_it_acknowledged(
    stack: FaultyStack,
) -> None:
    with Held(forwarded=True) as held:
        with stack.aws.failing(invocations, held):
            stack.write()
            held.wait()
            stack.process("firehose").kill()
        stack.wait_for_report("the local firehose was killed by SIGKILL")
    account = stack.account("Firehose killed while a batch is in the transform")
    assert account.delivered == account.changes
    assert account.duplicates == 0


def test_a_full_disk_holds_everything_up_until_there_is_room(stack: FaultyStack) -> None:
    pids = [stack.process(name).pid for name in ("pipe", "firehose")]
    with Held(forwarded=True) as held, stack.aws.failing(writes(stack.bucket), held):
        stack.write()
        held.wait()
        with stack.full_disk():
            stack.write(20)
            stack.wait_for_report("the local pipe has done nothing for 5 s")
    account = stack.account("the disk is full for a while")
    assert [stack.process(name).pid for name in ("pipe", "firehose")] == pids
    assert account.delivered == account.changes
    assert account.duplicates == 0


def test_a_clock_set_back_holds_nothing_up(stack: FaultyStack) -> None:
    with stack.by_a_clock() as set_clock:
        with Held(forwarded=False) as held, stack.aws.failing(invocations, held):
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
