"""A second reading of a change, by the standard library and boto3: what the transform must say too.

It refuses more than the transform does: whatever DynamoDB and the pipe cannot have written.
"""

import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from boto3.dynamodb.types import TypeDeserializer

_KINDS = {
    "id": "S",
    "siteId": "S",
    "createdAtTime": "N",
    "name": "S",
    "valueOne": "N",
    "valueTwo": "N",
}
_BOUNDS = {"createdAtTime": (0, 253_402_300_799_999)}
_INT64 = (-(2**63), 2**63 - 1)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")

_deserialize = TypeDeserializer().deserialize


def strict_json(text: bytes) -> Any:
    """JSON by its standard alone. Raises ValueError for NaN, a repeated name, a lone surrogate."""
    value = json.loads(text.decode(), parse_constant=_refuse, object_pairs_hook=_unique)
    json.dumps(value, ensure_ascii=False).encode()
    return value


def read(payload: bytes, *, keep_undeclared: bool) -> dict[str, Any] | None:
    """The line of a change as the pipe writes it; None for anything else."""
    try:
        return _line(strict_json(payload), keep_undeclared)
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError):
        return None


def _line(change: Any, keep_undeclared: bool) -> dict[str, Any]:
    stream, kind, identity = change["dynamodb"], change["eventName"], change.get("userIdentity")
    image = dict(stream["OldImage" if kind == "REMOVE" else "NewImage"])
    line = {name: _value(name, image.pop(name)) for name in _KINDS if name in image}
    seconds = stream["ApproximateCreationDateTime"]
    line |= {
        "changeType": kind,
        "changeSequence": stream["SequenceNumber"].rjust(40, "0"),
        "changedAt": round(seconds * 1000),
        "eventId": change["eventID"],
    }
    service = identity.get("principalId") if type(identity) is dict else ""
    if service == "dynamodb.amazonaws.com" and kind == "REMOVE":
        line["expired"] = True
    if image and keep_undeclared:
        line["extra"] = json.dumps(image)
    if not (
        kind in ("INSERT", "MODIFY", "REMOVE", "SNAPSHOT")
        and type(change["eventID"]) is str
        and re.fullmatch("[0-9]{1,40}", stream["SequenceNumber"])
        and type(seconds) in (int, float)
        and 0 <= seconds * 1000 <= _BOUNDS["createdAtTime"][1]
        and 1 <= len(quote(line["siteId"], safe="")) <= 256
        and line["createdAtTime"] is not None
    ):
        raise ValueError("is nothing that the pipe writes")
    return line


def keys_of(line: dict[str, Any]) -> dict[str, str]:
    """The partition keys of a line, by the layout that the schema declares."""
    moment = datetime.fromtimestamp(line["createdAtTime"] // 1000, UTC)
    return {
        "siteId": quote(line["siteId"], safe=""),
        "year": f"{moment.year:04d}",
        **{name: f"{getattr(moment, name):02d}" for name in ("month", "day", "hour", "minute")},
    }


def _value(name: str, attribute: Any) -> Any:
    if attribute == {"NULL": True}:
        return None
    kind = _KINDS[name]
    ((found, text),) = attribute.items()
    if found != kind or type(text) is not str or (kind == "N" and not _NUMBER.fullmatch(text)):
        raise ValueError("is no text")
    value = _deserialize(attribute)
    if kind == "S":
        return value
    low, high = _BOUNDS.get(name, _INT64)
    if value != int(value) or not low <= value <= high:
        raise ValueError("is no integer of the schema")
    return int(value)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is repeated")
    return members
