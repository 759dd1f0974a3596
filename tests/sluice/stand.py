"""What stands in for Firehose in these suites, and the lines that Firehose writes."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

STREAM = "the-stream"

Refuse = Callable[[list[bytes]], set[int] | tuple[int, str]]
"""From a batch's payloads to the indexes to refuse, or to an HTTP status and error for all."""


@dataclass
class FirehoseServer:
    """Takes batches as Firehose does; `refuse` decides what it does not take."""

    refuse: Refuse = lambda _payloads: set()
    batches: list[list[bytes]] = field(default_factory=list)
    """Every batch that was put, refused or not."""
    taken: list[bytes] = field(default_factory=list)

    def answer(self, operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        assert (operation, request["DeliveryStreamName"]) == ("PutRecordBatch", STREAM)
        payloads = [b64decode(record["Data"]) for record in request["Records"]]
        self.batches.append(payloads)
        refused = self.refuse(payloads)
        if isinstance(refused, tuple):
            status, code = refused
            return status, {"__type": code, "message": "refused by the test"}
        self.taken += [payload for n, payload in enumerate(payloads) if n not in refused]
        responses = [
            {"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "Slow down."}
            if n in refused
            else {"RecordId": str(n)}
            for n in range(len(payloads))
        ]
        return 200, {"FailedPutCount": len(refused), "RequestResponses": responses}


def error_line(payload: bytes, code: str = "Lambda.ProcessingFailedStatus", at: int = 0) -> bytes:
    """A line as Firehose writes it."""
    document = {
        "attemptsMade": 1,
        "arrivalTimestamp": at,
        "errorCode": code,
        "errorMessage": "It failed.",
        "attemptEndingTimestamp": at,
        "rawData": b64encode(payload).decode(),
        "lambdaARN": "arn:aws:lambda:us-east-1:000000000000:function:transform:$LATEST",
    }
    return json.dumps(document).encode() + b"\n"
