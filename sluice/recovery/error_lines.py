"""Reads the lines that Firehose writes below `errors/`, whatever they hold.

AWS documents the line twice, in different spellings, and writes a third: keys in either case,
errorCode as lastErrorCode, numbers as numbers or as text
(https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html,
https://docs.aws.amazon.com/firehose/latest/dev/record-format-conversion-error-handling.html).
"""

import re
from binascii import a2b_base64
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from chalicelib.declaration import EPOCH_MS_MAX
from chalicelib.limits import PUT_RECORD_BYTES_MAX
from sluice.lake import unzip

UNREADABLE = "unreadable"
"""The error code of a line, or of a whole object, that cannot be read. AWS's codes have a dot."""

UNNAMED = "unnamed"
"""The error code of a line that names none."""

_NO_PAYLOAD = "its rawData is missing or is not base64"
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?", re.ASCII)


class FailedRecord(Struct, frozen=True):
    """A record that could not be delivered: a line of an error object, or a change of a batch."""

    line: int
    """Its number in its object, from 1 on; 0 for an object that cannot be read."""
    code: str
    message: str
    failed_at: int | None = None
    """When it was given up, epoch milliseconds; None where its object does not say."""
    payload: bytes | None = None
    """The bytes to put: what was put, or the finished line; None where its object lacks them."""
    obstacle: str | None = None
    """Why it cannot be replayed; None when it can."""


def read_object(body: bytes) -> list[FailedRecord]:
    """Return the records of an error object, gzip or plain. Never raises for its content."""
    try:
        body = unzip(body)
    except ValueError as reason:
        return [unreadable(0, str(reason))]
    lines = enumerate(body.split(b"\n"), 1)
    return [read_line(number, line) for number, line in lines if line.strip()]


def read_line(number: int, line: bytes) -> FailedRecord:
    """Return the record of an error line. Never raises for its content."""
    try:
        document = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return unreadable(number, "the line is not a JSON object")
    fields = {name.casefold(): value for name, value in document.items()}
    payload = _payload(fields.get("rawdata"))
    return FailedRecord(
        line=number,
        code=_text(fields.get("errorcode", fields.get("lasterrorcode"))) or UNNAMED,
        message=_text(fields.get("errormessage", fields.get("lasterrormessage"))),
        failed_at=epoch_ms(fields.get("attemptendingtimestamp"))
        or epoch_ms(fields.get("arrivaltimestamp")),
        payload=payload,
        obstacle=_NO_PAYLOAD if payload is None else oversize(payload),
    )


def unreadable(number: int, reason: str) -> FailedRecord:
    """Return the record of a line, or with 0 of a whole object, that cannot be read."""
    return FailedRecord(line=number, code=UNREADABLE, message=reason, obstacle=reason)


def _payload(raw: Any) -> bytes | None:
    try:
        return a2b_base64(raw, strict_mode=True) if isinstance(raw, str) else None
    except ValueError:
        return None


def oversize(payload: bytes) -> str | None:
    """Return why a payload is too large for Firehose; None for one that is not."""
    if len(payload) > PUT_RECORD_BYTES_MAX:
        return f"it has {len(payload)} bytes; Firehose takes {PUT_RECORD_BYTES_MAX}"
    return None


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode()


def epoch_ms(value: Any) -> int | None:
    """Return a moment in epoch milliseconds, whatever its spelling; None for what is not one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return int(value) if 0 <= value <= EPOCH_MS_MAX else None
    if not isinstance(value, str):
        return None
    if _NUMBER.fullmatch(value):
        return epoch_ms(float(value))
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return epoch_ms((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
