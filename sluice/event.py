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

from chalicelib.attributes import converted
from chalicelib.change import INPUT_TEMPLATE
from sluice.errors import TransformationFailed

VARIABLE = re.compile(r"<(\$[^<>]*|aws\.pipes\.[^<>]*)>")
"""A variable of a template: a path of the event, or one that Pipes reserves."""

MISSING = object()
"""The value of a path that an event lacks."""

encode = msgspec.json.Encoder().encode


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
    if identity := event.pop("userIdentity", None):
        event["userIdentity"] = {name[0].lower() + name[1:]: v for name, v in identity.items()}
    return event


def render(event: Mapping[str, Any], template: str = INPUT_TEMPLATE) -> bytes:
    """Return what a template of top-level paths makes of an event. Raises TransformationFailed."""

    def value(variable: re.Match[str]) -> str:
        return unquoted(variable[1], event.get(variable[1].removeprefix("$."), MISSING)).decode()

    return VARIABLE.sub(value, template).encode()


def unquoted(variable: str, value: Any) -> bytes:
    """Return what Pipes writes for a variable that is not within quotes.

    Raises TransformationFailed for a value of which AWS does not document that.
    """
    if value is MISSING:
        return b'""'
    if value is None:
        raise undocumented(variable, "is null")
    text = encode(value)
    if isinstance(value, str) and b"\\" in text:
        raise undocumented(variable, "is a text with a quote, a backslash or a control character")
    return text


def undocumented(variable: str, case: str) -> TransformationFailed:
    """Return the error for a value that nobody knows the spelling of."""
    return TransformationFailed(
        f"<{variable}> {case}: AWS does not document what Pipes makes of that, so it is not guessed"
    )


def template_paths(template: str) -> list[str]:
    """Return the paths that a template names, in order."""
    names: list[str] = VARIABLE.findall(template)
    return [name.removeprefix("$.") for name in names if name.startswith("$.")]


def _number(seconds: float) -> float:
    return int(seconds) if seconds.is_integer() else seconds


_TO_BASE64: dict[str, Callable[[Any], Any]] = {
    "B": lambda content: b64encode(content).decode(),
    "BS": lambda members: [b64encode(member).decode() for member in members],
}
