"""The same job done with other means: a line and partition keys for each record of a batch."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from aws_lambda_powertools.utilities.data_classes import event_source
from aws_lambda_powertools.utilities.data_classes.kinesis_firehose_event import (
    KinesisFirehoseDataTransformationRecordMetadata,
    KinesisFirehoseDataTransformationResponse,
    KinesisFirehoseEvent,
)
from aws_lambda_powertools.utilities.serialization import base64_from_str
from boto3.dynamodb.types import TypeDeserializer

Handler = Callable[[dict[str, Any], Any], Any]

_deserialize = TypeDeserializer().deserialize


def line_and_keys(change: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """What both peers make of a change, with boto3's deserializer and the standard library."""
    stream = change["dynamodb"]
    image = stream["OldImage" if change["eventName"] == "REMOVE" else "NewImage"]
    record = {name: _deserialize(value) for name, value in image.items()}
    moment = datetime.fromtimestamp(int(record["createdAtTime"]) / 1000, UTC)
    keys = {
        "siteId": str(record["siteId"]),
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


def standard_library(event: dict[str, Any], _context: Any) -> dict[str, Any]:
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


@event_source(data_class=KinesisFirehoseEvent)
def powertools(event: KinesisFirehoseEvent, _context: Any) -> dict[str, Any]:
    """As the documentation of AWS Lambda Powertools for Python shows it."""
    result = KinesisFirehoseDataTransformationResponse()
    for record in event.records:
        try:
            line, keys = line_and_keys(record.data_as_json)
        except (ValueError, KeyError, TypeError):
            result.add_record(record.build_data_transformation_response("ProcessingFailed"))
            continue
        answer = record.build_data_transformation_response("Ok", data=base64_from_str(line))
        answer.metadata = KinesisFirehoseDataTransformationRecordMetadata(partition_keys=keys)
        result.add_record(answer)
    return result.asdict()
