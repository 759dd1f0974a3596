"""A change of the table as the pipe spells it: the event of a stream record, and its payload.

boto3 reads GetRecords into Python's types; here they become JSON again, as in the example of
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-dynamodb.html.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from chalicelib.change import INPUT_TEMPLATE
from sluice.items import converted

_VARIABLE = re.compile(r"<\$\.([^<>]+)>")


def as_event(record: Mapping[str, Any], stream_arn: str) -> dict[str, Any]:
    """Return the event of a record that boto3 returned."""
    change = dict(record["dynamodb"])
    created: datetime = change["ApproximateCreationDateTime"]
    change["ApproximateCreationDateTime"] = _number(created.timestamp())
    for attributes in ("Keys", "NewImage", "OldImage"):
        if attributes in change:
            change[attributes] = {
                name: converted(value, _TO_BASE64) for name, value in change[attributes].items()
            }
    event = {**record, "dynamodb": change, "eventSourceARN": stream_arn}
    if identity := record.get("userIdentity"):
        event["userIdentity"] = {name[0].lower() + name[1:]: v for name, v in identity.items()}
    return event


def render(event: Mapping[str, Any], template: str = INPUT_TEMPLATE) -> bytes:
    """Return what a template of top-level paths makes of an event; a missing one becomes ""."""
    return _VARIABLE.sub(
        lambda path: msgspec.json.encode(event.get(path[1], "")).decode(), template
    ).encode()


def template_paths(template: str) -> list[str]:
    """Return the paths that a template names, in order."""
    return _VARIABLE.findall(template)


def _number(seconds: float) -> float:
    return int(seconds) if seconds.is_integer() else seconds


_TO_BASE64: dict[str, Callable[[Any], Any]] = {
    "B": lambda content: b64encode(content).decode(),
    "BS": lambda members: [b64encode(member).decode() for member in members],
}
