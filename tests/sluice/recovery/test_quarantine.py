"""The quarantine as it is listed."""

from datetime import UTC, datetime

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


def test_the_reading_is_told_object_by_object(stack: Stack, put_errors: ErrorObjects) -> None:
    for name in ("one", "two"):
        put_errors(error_line(b"a"), name=name)
    told: list[tuple[int, int]] = []
    read_quarantine(
        stack, Selection(), reads_all, progress=lambda read, total: told.append((read, total))
    )
    assert told == [(1, 2), (2, 2)]
