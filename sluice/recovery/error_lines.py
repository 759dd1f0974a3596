"""What Firehose writes below `errors/`: an object's lines, read whatever they hold.

AWS documents the line twice, in different spellings, and writes a third: keys in either case,
errorCode as lastErrorCode, numbers as numbers or as text
(https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html,
https://docs.aws.amazon.com/firehose/latest/dev/record-format-conversion-error-handling.html).
"""

import gzip
import re
import zlib
from binascii import a2b_base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from chalicelib.limits import PUT_RECORD_BYTES_MAX
from chalicelib.schema import EPOCH_MS_MAX

UNREADABLE = "unreadable"
"""The error code of a line, or of a whole object, that cannot be read. AWS's codes have a dot."""

UNNAMED = "unnamed"
"""The error code of a line that names none."""

_GZIP = b"\x1f\x8b"
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?", re.ASCII)


class Quarantined(Struct, frozen=True):
    """One record that Firehose could not deliver."""

    line: int
    """Its line in the error object, from 1 on; 0 stands for an object that cannot be read."""
    code: str
    message: str
    failed_at: int | None = None
    """When Firehose gave it up, epoch milliseconds; None where the line does not tell."""
    payload: bytes | None = None
    """What was put, byte for byte; None where the line does not hold it."""
    obstacle: str | None = None
    """Why it cannot be put again; None when it can."""


def read_object(body: bytes) -> list[Quarantined]:
    """The records of an error object, gzip or plain. Never raises for what it holds."""
    if body.startswith(_GZIP):
        try:
            body = gzip.decompress(body)
        except (OSError, EOFError, zlib.error):
            return [_unreadable(0, "the object is no complete gzip file")]
    lines = enumerate(body.split(b"\n"), 1)
    return [read_line(number, line) for number, line in lines if line.strip()]


def read_line(number: int, line: bytes) -> Quarantined:
    """The record of an error line. Never raises for what it holds."""
    try:
        document = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _unreadable(number, "the line is no JSON object")
    fields = {name.casefold(): value for name, value in document.items()}
    payload = _payload(fields.get("rawdata"))
    return Quarantined(
        line=number,
        code=_text(fields.get("errorcode", fields.get("lasterrorcode"))) or UNNAMED,
        message=_text(fields.get("errormessage", fields.get("lasterrormessage"))),
        failed_at=_epoch_ms(fields.get("attemptendingtimestamp"))
        or _epoch_ms(fields.get("arrivaltimestamp")),
        payload=payload,
        obstacle=_obstacle(payload, fields),
    )


def _unreadable(number: int, reason: str) -> Quarantined:
    return Quarantined(line=number, code=UNREADABLE, message=reason, obstacle=reason)


def _payload(raw: Any) -> bytes | None:
    try:
        return a2b_base64(raw, strict_mode=True) if isinstance(raw, str) else None
    except ValueError:
        return None


def _obstacle(payload: bytes | None, fields: Mapping[str, Any]) -> str | None:
    if payload is None:
        return "its rawData is missing or is no base64"
    if len(payload) > PUT_RECORD_BYTES_MAX:
        return f"it has {len(payload)} bytes; Firehose takes {PUT_RECORD_BYTES_MAX}"
    if "datacatalogtable" in fields or _is_transformed(payload):
        return "it went through the transform already, which cannot read its own lines"
    return None


def _is_transformed(payload: bytes) -> bool:
    """Whether this is a line of the lake. AWS documents no more of rawData than its name."""
    try:
        return "changeSequence" in msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode()


def _epoch_ms(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return int(value) if 0 <= value <= EPOCH_MS_MAX else None
    if not isinstance(value, str):
        return None
    if _NUMBER.fullmatch(value):
        return _epoch_ms(float(value))
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return _epoch_ms((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
