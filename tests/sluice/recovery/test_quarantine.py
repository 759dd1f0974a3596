"""The quarantine as it is listed."""

import gzip
from datetime import UTC, datetime

import pytest

from sluice.recovery.error_lines import UNREADABLE
from sluice.recovery.quarantine import Selection, read_quarantine
from sluice.stack import Stack
from tests.fakes import error_line
from tests.sluice.conftest import ErrorObjects


def reads_all(_payload: bytes) -> None:
    """A transform that can read every payload."""


def test_a_record_has_the_reason_why_the_transform_cannot_read_it(
    stack: Stack, put_errors: ErrorObjects
) -> None:
    put_errors(error_line(b"bad", at=2), error_line(b"good", at=1))
    records = read_quarantine(
        stack, Selection(), lambda payload: "siteId is missing" if payload == b"bad" else None
    )
    assert [each.reason for each in records] == ["siteId is missing", None]


def test_a_line_that_holds_no_payload_has_no_reason(stack: Stack, put_errors: ErrorObjects) -> None:
    put_errors(b"torn\n")
    (record,) = read_quarantine(stack, Selection(), lambda _payload: "never asked")
    assert record.reason is None


def test_records_of_all_error_objects_are_listed_the_latest_first(
    stack: Stack, put_errors: ErrorObjects
) -> None:
    put_errors(error_line(b"a", at=1), error_line(b"c", at=3), name="one")
    key = put_errors(error_line(b"b", at=2, code="DynamicPartitioning.X"), name="two")
    found = read_quarantine(stack, Selection(), reads_all)
    assert [each.failed_at for each in found] == [3, 2, 1]
    assert (found[1].key, found[1].record.code) == (key, "DynamicPartitioning.X")


def test_payloads_are_kept_only_on_request(stack: Stack, put_errors: ErrorObjects) -> None:
    put_errors(error_line(b"secret"))
    (without,) = read_quarantine(stack, Selection(), reads_all)
    (with_payload,) = read_quarantine(stack, Selection(), reads_all, keep_payloads=True)
    assert (without.record.payload, with_payload.record.payload) == (None, b"secret")


def test_an_unreadable_line_is_listed_at_its_objects_time(
    stack: Stack, put_errors: ErrorObjects
) -> None:
    put_errors(b"torn\n")
    (failure,) = read_quarantine(stack, Selection(code=UNREADABLE), reads_all)
    assert failure.record.line == 1
    assert abs(failure.failed_at / 1000 - datetime.now(UTC).timestamp()) < 60


def test_a_selection_takes_its_code_and_time_alone(stack: Stack, put_errors: ErrorObjects) -> None:
    put_errors(error_line(b"a", at=1_000), error_line(b"b", at=3_000), error_line(b"c", "X", 3_000))
    since = datetime.fromtimestamp(2, UTC)
    found = read_quarantine(stack, Selection("X", since), reads_all, keep_payloads=True)
    assert [each.record.payload for each in found] == [b"c"]


def test_the_reading_is_reported_object_by_object(stack: Stack, put_errors: ErrorObjects) -> None:
    for name in ("one", "two"):
        put_errors(error_line(b"a"), name=name)
    told: list[tuple[int, int]] = []
    read_quarantine(
        stack, Selection(), reads_all, progress=lambda read, total: told.append((read, total))
    )
    assert told == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("note", "body", "words"),
    [
        (None, gzip.compress(bytes(range(256)))[:20], "is damaged: it is not a complete gzip file"),
        (b'{"replayed": [[-5, -1]]}', None, "does not say which lines were replayed; restore"),
        (b'{"replayed": [[1, 1000000000000]]}', None, "does not say which lines were replayed"),
        (b'{"replayed": [[3, 1]]}', None, "does not say which lines were replayed"),
        (b"null", None, "does not say which lines were replayed"),
    ],
)
def test_an_object_that_cannot_be_read_is_named_and_the_others_are_listed(
    stack: Stack, put_errors: ErrorObjects, note: bytes | None, body: bytes | None, words: str
) -> None:
    put_errors(error_line(b"a", at=1), name="one")
    key = put_errors(error_line(b"b", at=2), name="two")
    if note is not None:
        damaged = "errors-replayed/.progress/" + key.removeprefix("errors/") + ".json"
        stack.s3.put_object(Bucket=stack.bucket, Key=damaged, Body=note)
    else:
        damaged = key
        stack.s3.put_object(Bucket=stack.bucket, Key=damaged, Body=body or b"")
    unread, whole = read_quarantine(stack, Selection(), reads_all)
    assert whole.key.endswith("one")
    assert (unread.key, unread.record.line, unread.record.code) == (key, 0, UNREADABLE)
    assert f"s3://{stack.bucket}/{damaged} {words}" in unread.record.message
    assert unread.record.obstacle == unread.record.message
