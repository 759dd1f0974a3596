"""The reader of what Firehose writes below `errors/`.

Promise: an error object is read whatever it holds, gzip or plain, and never raises. Each line is
told, good or not, by its number; a bad line takes no good one with it; what the local Firehose
wrote comes back byte for byte. A line that can be put again is one that Firehose takes.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from chalicelib.limits import PUT_RECORD_BYTES_MAX
from checks.attacks.choices import Choices
from checks.attacks.promise import expect
from local.firehose import errors
from local.firehose.errors import CatalogTable, ConversionFailure, conversion_error_line, error_line
from local.firehose.ledger import BufferedRecord
from sluice.recovery.error_lines import UNREADABLE, ErrorLine, read_object

Read = Callable[[bytes], list[ErrorLine]]

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

TOKENS = (
    *(b'"rawData":"', b'"RawData":"', b'"errorCode":', b'"lastErrorCode":', b'"errorMessage":'),
    *(b'"attemptEndingTimestamp":', b'"arrivalTimestamp":', b"\n", b"\r\n", b"null", b"1e999"),
    *(b'"2023-11-15T19:29:11Z"', b'"0001-01-01T00:00:00+23:59"', b'"9999-12-31"', b"1" * 40),
    *(b"\x1f\x8b", b"\x1f\x8b\x08\x00", b"\\ud800", b"[[[[[[[[", b"dataCatalogTable", b"{}"),
)


def seeds() -> Iterator[bytes]:
    """Objects as the local Firehose writes them, other spellings, and decisions to mix them."""
    lines = [*(_written(number, b'{"eventID": "1"}') for number in range(6)), b"no line\n"]
    body = b"".join(lines)
    yield b"\0" + body
    yield b"\0" + gzip.compress(body, mtime=0)
    yield b"\0" + gzip.compress(body, mtime=0)[:-9]
    yield b'\0{"RawData":"YQ==","ErrorCode":"A.b","AttemptEndingTimestamp":"2023-11-15T19:29:11Z"}'
    yield b'\0{"rawData":"YQ==","lastErrorCode":null,"arrivalTimestamp":"1700076551926"}'
    for start in range(0, 240, 40):
        yield b"\x01" + bytes(range(start, start + 40)) * 2
        yield b"\x02" + bytes(range(start, start + 40)) * 2


def attack(data: bytes, read: Read = read_object) -> None:
    """Read one object. `read` is the reader under attack."""
    form = data[0] if data else 0
    if form & 3:
        _mixed(Choices(data[1:]), read, zipped=bool(form & 2))
        return
    body = data[1:]
    plain = _unzipped(body)
    if plain is None:
        expect(
            [(each.line, each.code) for each in read(body)] == [(0, UNREADABLE)],
            "an object that cannot be unzipped is told as one that cannot be read",
        )
        return
    records = read(body)
    lines = {number: line for number, line in enumerate(plain.split(b"\n"), 1) if line.strip()}
    expect([each.line for each in records] == list(lines), "each line is told once, by its number")
    for each in records:
        _check(each)
        alone = [replace(found, line=each.line) for found in read(b" " + lines[each.line])]
        expect(alone == [each], "a line is read the same whatever its neighbours")


def _unzipped(body: bytes) -> bytes | None:
    if not body.startswith(b"\x1f\x8b"):
        return body
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error):
        return None


def _check(record: ErrorLine) -> None:
    expect(record.code, "each record has a code")
    if record.obstacle is None:
        expect(
            record.payload is not None and len(record.payload) <= PUT_RECORD_BYTES_MAX,
            "what has no obstacle has a payload that Firehose takes",
        )
    if record.failed_at is not None:
        expect(0 <= record.failed_at < 2**53, "a time is one that a date can be made of")


def _mixed(choices: Choices, read: Read, *, zipped: bool) -> None:
    """Lines of the local Firehose's own between lines of any other kind."""
    lines: list[bytes] = []
    good: dict[int, tuple[int, bytes]] = {}
    for number in range(1, 2 + choices.below(6)):
        if choices.below(3):
            kind, payload = choices.below(6), choices.text().encode()
            good[number] = kind, payload
            lines.append(_written(kind, payload))
        else:
            # An object that begins as gzip does is gzip, so no line may.
            junk = choices.raw(choices.below(24)).replace(b"\n", b"").lstrip(b"\x1f")
            lines.append(junk + b"\n")
    body = b"".join(lines)
    found = {each.line: each for each in read(gzip.compress(body, 1) if zipped else body)}
    for number, (kind, payload) in good.items():
        expect(number in found, "a good line is not lost beside a bad one")
        record = found[number]
        failure = CONVERSION if kind >= len(FAILURES) else FAILURES[kind]
        expect(
            (record.code, record.message, record.failed_at, record.payload)
            == (failure.code, failure.message, ENDED_MS, payload),
            "what was written is read",
        )
    for each in found.values():
        _check(each)


def _written(kind: int, payload: bytes) -> bytes:
    record = BufferedRecord(1700076552000000000, 1700076552000, payload)
    if kind >= len(FAILURES):
        return conversion_error_line(record, CONVERSION, payload, ended_ms=ENDED_MS)
    return error_line(record, FAILURES[kind], attempts=4, ended_ms=ENDED_MS, lambda_arn=LAMBDA_ARN)
