"""The reader of what Firehose writes below `errors/`.

Promise: an error object is read whatever it holds, gzip or plain, and never raises. Each line is
reported, good or not, by its number; a bad line takes no good one with it; what the local Firehose
wrote comes back byte for byte. A line that can be put again is one that Firehose takes.
"""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.limits import PUT_RECORD_BYTES_MAX
from local.firehose import errors
from local.firehose.errors import CatalogTable, ConversionFailure, conversion_error_line, error_line
from local.firehose.ledger import BufferedRecord
from sluice.recovery.error_lines import UNREADABLE, FailedRecord, read_line, read_object
from tests.checks.attacks.running import SUITE, search
from tests.checks.attacks.strategies import TEXTS, pairs, spelt, values

Read = Callable[[bytes], list[FailedRecord]]

LAMBDA_ARN = "arn:aws:lambda:us-east-1:000000000000:function:transform:$LATEST"
ENDED_MS = 1700076600000

FAILURES = (
    errors.PROCESSING_FAILED,
    errors.FUNCTION_ERROR,
    errors.KEYS_NOT_EXTRACTED,
    errors.RecordFailure("Lambda.Other", 'words with "quotes", \\ and é'),
)
CONVERSION = ConversionFailure(
    "DataFormatConversion.ParseError",
    "is no row",
    CatalogTable("000000000000", "lake", "changes", "us-east-1", "LATEST"),
)

NAMES = (
    *("rawData", "RawData", "errorCode", "ErrorCode", "lastErrorCode", "errorMessage"),
    *("attemptEndingTimestamp", "arrivalTimestamp", "dataCatalogTable", "other"),
)
VALUES = st.sampled_from(
    ("YQ==", "2023-11-15T19:29:11Z", "0001-01-01T00:00:00+23:59", "9999-12-31", "1700076551926")
)
TOKENS = (
    *(b'"rawData":"', b'"RawData":"', b'"errorCode":', b'"lastErrorCode":', b'"errorMessage":'),
    *(b'"attemptEndingTimestamp":', b'"arrivalTimestamp":', b"\n", b"\r\n", b"null", b"1e999"),
    *(b'"2023-11-15T19:29:11Z"', b'"0001-01-01T00:00:00+23:59"', b'"9999-12-31"', b"1" * 40),
    *(b"\x1f\x8b", b"\x1f\x8b\x08\x00", b"\\ud800", b"[[[[[[[[", b"dataCatalogTable", b"{}"),
)


def written(kind: int, payload: bytes) -> bytes:
    """Return a line as the local Firehose writes it."""
    record = BufferedRecord(1700076552000000000, 1700076552000, payload)
    if kind == len(FAILURES):
        return conversion_error_line(record, CONVERSION, payload, ended_ms=ENDED_MS)
    return error_line(record, FAILURES[kind], attempts=4, ended_ms=ENDED_MS, lambda_arn=LAMBDA_ARN)


def _merged(parts: list[dict[str, object]]) -> bytes:
    return json.dumps({name: value for part in parts for name, value in part.items()}).encode()


KINDS = st.integers(0, len(FAILURES))
PAYLOADS = st.binary(max_size=24) | TEXTS.map(str.encode)
SPELT = pairs(st.sampled_from(NAMES), VALUES | values(("a",), 1))
LINES = (
    st.lists(SPELT, max_size=5).map(_merged) | st.builds(written, KINDS, PAYLOADS) | spelt(TOKENS)
)
BODIES = st.lists(LINES, max_size=5).map(b"\n".join)
OBJECTS = BODIES | st.builds(
    lambda body, lost: gzip.compress(body, 1)[: -lost or None], BODIES, st.integers(0, 40)
)
# An object that begins as gzip does is gzip, so no line may.
JUNK = st.binary(max_size=24).map(lambda line: line.replace(b"\n", b"").lstrip(b"\x1f") + b"\n")
MIXED = st.lists(st.tuples(KINDS, PAYLOADS) | JUNK, max_size=6)


def properties(read: Read = read_object) -> tuple[Any, ...]:
    """The promise. `read` is the reader under attack."""

    @given(OBJECTS)
    def any_object(body: bytes) -> None:
        plain = _unzipped(body)
        records = read(body)
        if plain is None:
            assert [(each.line, each.code) for each in records] == [(0, UNREADABLE)], (
                "an object that cannot be unzipped is reported as one that cannot be read"
            )
            return
        lines = {number: line for number, line in enumerate(plain.split(b"\n"), 1) if line.strip()}
        numbers = [record.line for record in records]
        assert numbers == list(lines), "each line is reported once, by its number"
        for record in records:
            _check(record)
            alone = [replace(each, line=record.line) for each in read(b" " + lines[record.line])]
            assert alone == [record], "a line is read the same whatever its neighbours"

    @given(MIXED, st.booleans())
    def lines_of_firehose(lines: list[tuple[int, bytes] | bytes], zipped: bool) -> None:
        body = b"".join(line if isinstance(line, bytes) else written(*line) for line in lines)
        records = {each.line: each for each in read(gzip.compress(body, 1) if zipped else body)}
        for number, line in enumerate(lines, 1):
            if isinstance(line, bytes):
                continue
            kind, payload = line
            assert number in records, "a good line is not lost beside a bad one"
            record = records[number]
            failure = CONVERSION if kind == len(FAILURES) else FAILURES[kind]
            assert (record.code, record.message, record.failed_at, record.payload) == (
                failure.code,
                failure.message,
                ENDED_MS,
                payload,
            ), "what was written is read"
        for record in records.values():
            _check(record)

    return any_object, lines_of_firehose


def _unzipped(body: bytes) -> bytes | None:
    if not body.startswith(b"\x1f\x8b"):
        return body
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error):
        return None


def _check(record: FailedRecord) -> None:
    assert record.code, "each record has a code"
    if record.obstacle is None:
        assert record.payload is not None, "what has no obstacle has a payload"
        assert len(record.payload) <= PUT_RECORD_BYTES_MAX, "Firehose takes such a payload"
    if record.failed_at is not None:
        assert 0 <= record.failed_at < 2**53, "a time is one that a date can be made of"


test_any_object_is_read_line_by_line, test_what_firehose_wrote_comes_back = map(SUITE, properties())


def each(change: Callable[[FailedRecord], Any]) -> Callable[[bytes], list[Any]]:
    return lambda body: [change(record) for record in read_object(body)]


def in_one_piece(body: bytes) -> list[FailedRecord]:
    return [read_line(1, body)]


def until_the_first_bad_line(body: bytes) -> list[FailedRecord]:
    records = read_object(body)
    bad = [n for n, record in enumerate(records) if record.code == "unreadable" and record.line]
    return records[: bad[0]] if bad else records


def trusting(body: bytes) -> list[FailedRecord]:
    return read_object(gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body)


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (in_one_piece, "reported once, by its number"),
        (until_the_first_bad_line, "reported once|not lost beside a bad one"),
        (trusting, "end-of-stream"),
        (each(lambda record: replace(record, payload=b"x")), "what was written is read"),
        (each(lambda record: replace(record, failed_at=None)), "what was written is read"),
        (each(lambda record: replace(record, code="")), "each record has a code"),
        (each(lambda record: replace(record, obstacle=None)), "has a payload"),
    ],
)
def test_a_fault_in_the_reader_is_found(broken: Read, error: str) -> None:
    with pytest.raises((AssertionError, EOFError), match=error):
        search(properties(broken))
