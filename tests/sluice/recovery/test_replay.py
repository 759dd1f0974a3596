"""Replay: everything comes back, nothing twice, and an object moves with its last record."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import pytest

from chalicelib.firehose import RefusedError
from sluice.erasure.memory import HELD_BACK, Memory, Moment
from sluice.recovery.progress import PROGRESS_PREFIX, ranges
from sluice.recovery.quarantine import Selection, read_quarantine
from sluice.recovery.replay import Replayed, replay
from sluice.stack import Stack
from tests.declaring import change
from tests.fakes import FakeFirehose, error_line
from tests.sluice.conftest import ErrorObjects

ALL = Selection()
Keys = Callable[[], list[str]]


def replayed(stack: Stack, selection: Selection = ALL, **options: Any) -> Replayed:
    *_, last = replay(stack, selection, **options)
    return last.counts


def test_every_record_is_put_byte_for_byte_and_the_object_moves(
    stack: Stack, put_errors: ErrorObjects, stored_keys: Keys, firehose_server: FakeFirehose
) -> None:
    payloads = [b'{"a": 1}', b"\x00\xff", b""]
    put_errors(*map(error_line, payloads))
    assert replayed(stack) == Replayed(objects=1, accepted=3, moved=1)
    assert firehose_server.taken == payloads
    assert stored_keys() == ["errors-replayed/processing-failed/2026/01/02/object.gz"]


def test_a_change_of_an_erased_key_is_held_back_and_stays_where_it_is(
    stack: Stack, put_errors: ErrorObjects, stored_keys: Keys, firehose_server: FakeFirehose
) -> None:
    item = {"id": {"S": "gone"}}
    before, after = change(item, 1), change(item, 3)
    other = change({"id": {"S": "other"}}, 2)
    key = put_errors(*map(error_line, (before, other, after)))
    Memory(stack).remember({("gone",): Moment(1_700_000_000_000, "2".zfill(40))})
    assert replayed(stack) == Replayed(objects=1, accepted=2, obstacles={HELD_BACK: 1})
    assert firehose_server.taken == [other, after]
    assert key in stored_keys()


def test_a_key_that_is_erased_while_a_replay_runs_is_held_back_from_then_on(
    stack: Stack, put_errors: ErrorObjects, firehose_server: FakeFirehose
) -> None:
    payloads = [change({"id": {"S": "gone"}}, number) for number in (1, 2)]
    for number, payload in enumerate(payloads):
        put_errors(error_line(payload), name=f"{number}.gz")
    memory = Memory(stack)
    for step in replay(stack, ALL):
        if firehose_server.taken and memory.is_empty:
            memory.remember({("gone",): Moment(9_999_999_999_999)})
        last = step.counts
    assert last.obstacles == {HELD_BACK: 1}
    assert firehose_server.taken == payloads[:1]


def test_a_second_replay_puts_nothing(
    stack: Stack, put_errors: ErrorObjects, firehose_server: FakeFirehose
) -> None:
    put_errors(error_line(b"a"))
    replayed(stack)
    assert replayed(stack) == Replayed()
    assert firehose_server.taken == [b"a"]


def test_a_dry_run_changes_nothing(
    stack: Stack, put_errors: ErrorObjects, stored_keys: Keys, firehose_server: FakeFirehose
) -> None:
    key = put_errors(error_line(b"a"), error_line(b"b"))
    assert replayed(stack, dry_run=True) == Replayed(objects=1, accepted=2)
    assert stored_keys() == [key]
    assert not firehose_server.batches


def test_records_of_another_code_stay_and_come_back_later_without_the_first(
    stack: Stack, put_errors: ErrorObjects, stored_keys: Keys, firehose_server: FakeFirehose
) -> None:
    key = put_errors(error_line(b"a"), error_line(b"b", code="Other"), error_line(b"c"))
    first = replayed(stack, Selection(code="Lambda.ProcessingFailedStatus"))
    assert first == Replayed(objects=1, accepted=2, moved=0, not_chosen=1)
    assert key in stored_keys()
    assert [each.record.code for each in read_quarantine(stack, ALL, lambda _payload: None)] == [
        "Other"
    ]

    assert replayed(stack) == Replayed(objects=1, accepted=1, moved=1)
    assert firehose_server.taken == [b"a", b"c", b"b"]
    assert stored_keys() == ["errors-replayed/processing-failed/2026/01/02/object.gz"]


def test_only_records_that_failed_since_are_put(
    stack: Stack, put_errors: ErrorObjects, firehose_server: FakeFirehose
) -> None:
    put_errors(error_line(b"old", at=1_000_000), error_line(b"new", at=2_000_000))
    since = datetime.fromtimestamp(2000, UTC)
    assert replayed(stack, Selection(since=since)).not_chosen == 1
    assert firehose_server.taken == [b"new"]


def test_a_record_that_cannot_be_put_stays_with_its_object(
    stack: Stack, put_errors: ErrorObjects, stored_keys: Keys, firehose_server: FakeFirehose
) -> None:
    key = put_errors(error_line(b"a"), b"torn\n", error_line(b"c"))
    counts = replayed(stack)
    assert (counts.accepted, counts.moved) == (2, 0)
    assert counts.obstacles == {"the line is not a JSON object": 1}
    assert replayed(stack).accepted == 0
    assert key in stored_keys()
    assert firehose_server.taken == [b"a", b"c"]


def test_what_firehose_keeps_refusing_stays_and_is_all_that_comes_the_next_time(
    stack: Stack, put_errors: ErrorObjects, stored_keys: Keys, firehose_server: FakeFirehose
) -> None:
    key = put_errors(*(error_line(b"%d" % n) for n in range(4)))
    firehose_server.refuse = lambda payloads: {
        n for n, each in enumerate(payloads) if each in (b"1", b"3")
    }
    steps = replay(stack, ALL, pause=lambda _: None)
    counts = next(steps).counts
    with pytest.raises(RefusedError):
        list(steps)
    assert (counts.accepted, counts.moved) == (2, 0)
    assert key in stored_keys()

    firehose_server.refuse = lambda _: set()
    assert replayed(stack) == Replayed(objects=1, accepted=2, moved=1)
    assert firehose_server.taken == [b"0", b"2", b"1", b"3"]


def test_a_replay_that_is_stopped_goes_on_where_it_was(
    stack: Stack, put_errors: ErrorObjects, firehose_server: FakeFirehose
) -> None:
    put_errors(*(error_line(b"%d" % n) for n in range(1200)))

    for expected in (500, 1000, 1200):
        steps = replay(stack, ALL)
        assert next(steps).counts == Replayed()
        next(steps)
        steps.close()
        assert len(firehose_server.taken) == expected
    assert replayed(stack) == Replayed(objects=1, accepted=0, moved=1)
    assert firehose_server.taken == [b"%d" % n for n in range(1200)]


class CrashError(Exception):
    """The end of the process, as far as the replay can see."""


class CrashingS3:
    """S3 for `writes` more writes; then every call ends the process, before or after its work."""

    def __init__(self, client: Any, writes: int, done_first: bool) -> None:
        self._client = client
        self._writes = writes
        self._done_first = done_first

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if name not in ("put_object", "copy_object", "delete_object"):
            return method

        def write(**request: Any) -> Any:
            self._writes -= 1
            if self._writes < 0:
                if self._done_first:
                    method(**request)
                raise CrashError
            return method(**request)

        return write


@dataclass(frozen=True)
class CrashingStack(Stack):
    writes: int = 0
    done_first: bool = False

    @cached_property
    def s3(self) -> Any:  # type: ignore[override]
        return CrashingS3(Stack(self.name, self.outputs).s3, self.writes, self.done_first)


@pytest.mark.parametrize("done_first", [False, True])
@pytest.mark.parametrize("writes", range(5))
def test_a_crash_at_any_write_loses_nothing_and_repeats_one_batch_at_most(
    stack: Stack,
    put_errors: ErrorObjects,
    stored_keys: Keys,
    firehose_server: FakeFirehose,
    writes: int,
    done_first: bool,
) -> None:
    """The writes are: a note for each of the two batches, the copy, and the two deletions."""
    payloads = [b"%d" % n for n in range(600)]
    put_errors(*map(error_line, payloads))
    with pytest.raises(CrashError):
        replayed(CrashingStack(stack.name, stack.outputs, writes, done_first))
    replayed(stack)
    assert set(firehose_server.taken) == set(payloads)
    repeated = {0: 500, 1: 100}.get(writes, 0) if not done_first else 0
    assert len(firehose_server.taken) == len(payloads) + repeated
    assert stored_keys() == ["errors-replayed/processing-failed/2026/01/02/object.gz"]


def test_an_object_brought_back_by_hand_is_put_again(
    stack: Stack, put_errors: ErrorObjects
) -> None:
    put_errors(error_line(b"a"))
    replayed(stack)
    put_errors(error_line(b"a"))
    assert replayed(stack).accepted == 1


@pytest.mark.parametrize("content", [b"{", b'{"replayed": "\xff"}', b'{"replayed": [[-5, -1]]}'])
def test_an_object_whose_note_cannot_be_read_is_not_put_twice_and_the_others_go_on(
    stack: Stack, put_errors: ErrorObjects, firehose_server: FakeFirehose, content: bytes
) -> None:
    put_errors(error_line(b"a"))
    put_errors(error_line(b"b"), name="other.gz")
    note = f"{PROGRESS_PREFIX}processing-failed/2026/01/02/object.gz.json"
    stack.s3.put_object(Bucket=stack.bucket, Key=note, Body=content)
    counts = replayed(stack)
    assert firehose_server.taken == [b"b"]
    assert (counts.accepted, counts.moved) == (1, 1)
    ((reason, count),) = counts.obstacles.items()
    assert count == 1
    assert f"s3://{stack.bucket}/{note} does not say which lines were replayed" in reason


def test_an_empty_error_object_moves(
    stack: Stack, put_errors: ErrorObjects, stored_keys: Keys
) -> None:
    put_errors()
    assert replayed(stack) == Replayed(objects=1, moved=1)
    assert stored_keys() == ["errors-replayed/processing-failed/2026/01/02/object.gz"]


def test_line_numbers_are_noted_as_ranges() -> None:
    assert ranges({7, 1, 2, 3, 9, 8}) == [(1, 3), (7, 9)]
    assert ranges(set()) == []
