"""Failure objects of the feed function, as Lambda and the function write them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

TABLE = "the-table"
STREAM_ARN = f"arn:aws:dynamodb:us-east-1:000000000000:table/{TABLE}/stream/2026-01-02T03:04:05.678"
KEY = (
    "aws/lambda/7b5c3a52-0000-4000-8000-000000000000/shardId-00000000000000000000-00000000/"
    "2026/01/02/2026-01-02T03.04.05-{}"
)


def change(id: str, number: int = 1, stream_arn: str = STREAM_ARN, **fields: Any) -> dict[str, Any]:
    """A change of an item, as Lambda hands it to a function."""
    return {
        "eventID": f"event-{number}",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1767323045.0,
            "Keys": {"id": {"S": id}},
            "NewImage": {"id": {"S": id}, "name": {"S": 'a "quoted" \N{SNOWMAN}'}},
            "SequenceNumber": f"{number:021}",
            "SizeBytes": 26,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": stream_arn,
        **fields,
    }


def failure(
    changes: Sequence[Mapping[str, Any] | None], *, as_text: bool = False, **fields: Any
) -> dict[str, Any]:
    """The document of a batch that was given up."""
    event = {"Records": changes}
    return {
        "requestContext": {
            "requestId": "c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5",
            "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:feed",
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 11,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "version": "1.0",
        "timestamp": "2026-01-02T15:04:05.678Z",
        "DDBStreamBatchInfo": {
            "shardId": "shardId-00000000000000000000-00000000",
            "startSequenceNumber": "1".zfill(21),
            "endSequenceNumber": str(len(changes)).zfill(21),
            "approximateArrivalOfFirstRecord": "2026-01-02T03:04:05Z",
            "approximateArrivalOfLastRecord": "2026-01-02T03:04:05Z",
            "batchSize": len(changes),
            "streamArn": STREAM_ARN,
        },
        "payload": json.dumps(event) if as_text else event,
        **fields,
    }
