import gzip
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from checks.attacks.quarantine import attack, seeds
from sluice.recovery.error_lines import ErrorLine, read_line, read_object

VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["YQ==", "2023-11-15T19:29:11Z", "0001-01-01T00:00:00+23:59", "1700076551"])
    | st.lists(st.none(), max_size=2)
)
NAMES = st.sampled_from(
    [
        *("rawData", "RawData", "errorCode", "ErrorCode", "lastErrorCode", "errorMessage"),
        *("attemptEndingTimestamp", "arrivalTimestamp", "dataCatalogTable", "other"),
    ]
)
LINES = st.dictionaries(NAMES, VALUES, max_size=5).map(msgspec.json.encode) | st.binary(max_size=20)


@st.composite
def objects(draw: st.DrawFn) -> bytes:
    body = b"\n".join(draw(st.lists(LINES, max_size=5)))
    if draw(st.booleans()):
        body = gzip.compress(body, 1)
        body = body[: draw(st.integers(0, len(body)))]
    return body


@settings(max_examples=300, deadline=None)
@given(objects())
def test_any_object_is_read_line_by_line(body: bytes) -> None:
    attack(b"\0" + body)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([b"\x01", b"\x02"]), st.binary(max_size=120))
def test_what_firehose_wrote_comes_back_beside_anything_else(form: bytes, data: bytes) -> None:
    attack(form + data)


def attack_all(read: Callable[[bytes], list[ErrorLine]]) -> None:
    for data in seeds():
        attack(data, read)


def test_each_seed_can_be_tried() -> None:
    attack_all(read_object)


def each(change: Callable[[ErrorLine], Any]) -> Callable[[bytes], list[Any]]:
    return lambda body: [change(record) for record in read_object(body)]


def in_one_piece(body: bytes) -> list[ErrorLine]:
    return [read_line(1, body)]


def until_the_first_bad_line(body: bytes) -> list[ErrorLine]:
    records = read_object(body)
    bad = [n for n, record in enumerate(records) if record.code == "unreadable" and record.line]
    return records[: bad[0]] if bad else records


def trusting(body: bytes) -> list[ErrorLine]:
    return read_object(gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body)


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (in_one_piece, "told once, by its number"),
        (until_the_first_bad_line, "told once|not lost beside a bad one"),
        (trusting, "end-of-stream"),
        (each(lambda record: replace(record, payload=b"x")), "what was written is read"),
        (each(lambda record: replace(record, failed_at=None)), "what was written is read"),
        (each(lambda record: replace(record, code="")), "each record has a code"),
        (each(lambda record: replace(record, obstacle=None)), "has a payload"),
    ],
)
def test_a_fault_in_the_reader_is_found_among_the_seeds(
    broken: Callable[[bytes], list[ErrorLine]], error: str
) -> None:
    with pytest.raises((AssertionError, EOFError), match=error):
        attack_all(broken)
