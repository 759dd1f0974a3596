"""A peer: the same lines and partition keys, by the standard library and boto3's deserializer."""

import json
import os
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

_deserialize = TypeDeserializer().deserialize

GROUP, EVENT_TIME = os.environ["GROUP"], os.environ["EVENT_TIME"]


def line_and_keys(change: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Return the line and the partition keys of a change, as both peers make them."""
    stream = change["dynamodb"]
    image = stream["OldImage" if change["eventName"] == "REMOVE" else "NewImage"]
    record = {name: _deserialize(value) for name, value in image.items()}
    moment = datetime.fromtimestamp(int(record[EVENT_TIME]) / 1000, UTC)
    keys = {
        GROUP: str(record[GROUP]),
        "year": f"{moment:%Y}",
        "month": f"{moment:%m}",
        "day": f"{moment:%d}",
        "hour": f"{moment:%H}",
        "minute": f"{moment:%M}",
    }
    line = {
        **record,
        "changeType": change["eventName"],
        "changeSequence": stream["SequenceNumber"].zfill(40),
        "changedAt": int(stream["ApproximateCreationDateTime"] * 1000),
        "eventId": change["eventID"],
    }
    return json.dumps(line, default=_number) + "\n", keys


def _number(value: Any) -> int | float:
    assert isinstance(value, Decimal)  # noqa: S101
    return int(value) if value == value.to_integral_value() else float(value)


def handler(event: dict[str, Any]) -> dict[str, Any]:
    """The documented contract, with plain dictionaries."""
    answers: list[dict[str, Any]] = []
    for record in event["records"]:
        try:
            line, keys = line_and_keys(json.loads(b64decode(record["data"])))
        except (ValueError, KeyError, TypeError):
            answers.append(
                {"recordId": record["recordId"], "result": "ProcessingFailed", "data": ""}
            )
            continue
        answers.append(
            {
                "recordId": record["recordId"],
                "result": "Ok",
                "data": b64encode(line.encode()).decode(),
                "metadata": {"partitionKeys": keys},
            }
        )
    return {"records": answers}
