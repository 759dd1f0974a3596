"""Stream records as the pipe sees them, and the pipe: what the seeds are made of."""

from typing import Any

from chalicelib.attributes import attribute
from chalicelib.change import INPUT_TEMPLATE, TTL_PRINCIPAL
from local.pipe.definition import PipeDefinition

MARK = "payload-mark"
"""Stands in the seeds' values. No log line and no error message may repeat it."""

_SERVICE = {"type": "Service", "principalId": TTL_PRINCIPAL}


def pipe(template: str = INPUT_TEMPLATE) -> PipeDefinition:
    """A pipe with an input template."""
    return PipeDefinition(
        name="pipe",
        arn="arn:aws:pipes:us-east-1:000000000000:pipe/pipe",
        source_arn="arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2023-11-15T19:29:11.000",
        target_arn="arn:aws:firehose:us-east-1:000000000000:deliverystream/s",
        starting_position="TRIM_HORIZON",
        batch_size=100,
        batching_window_seconds=0,
        maximum_retry_attempts=-1,
        maximum_record_age_seconds=-1,
        bisect=True,
        dead_letter_arn=None,
        filters=(),
        input_template=template,
    )


def _event(name: str, image: dict[str, Any], **more: Any) -> dict[str, Any]:
    which = "OldImage" if name == "REMOVE" else "NewImage"
    return {
        "eventID": "c4ca4238a0b923820dcc509a6f75849b",
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1700076551,
            "Keys": {"id": image["id"]},
            which: image,
            "SequenceNumber": "400000000000000499660",
            "SizeBytes": 26,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        **more,
    }


def _image(**more: Any) -> dict[str, Any]:
    fields = {
        "id": "123",
        "siteId": "2",
        "createdAtTime": 1700076551926,
        "name": f"Name {MARK}",
        "valueOne": 123,
        "valueTwo": -6789,
    }
    return {name: attribute(value) for name, value in (fields | more).items()}


EVENTS: tuple[dict[str, Any], ...] = (
    _event("INSERT", _image()),
    _event("MODIFY", _image(name='"\\\n\u2028é\U0001f600', siteId="a/../b c%é")),
    _event("REMOVE", _image(), userIdentity=_SERVICE),
    _event("REMOVE", {"id": {"S": "1"}, "siteId": {"S": "1"}, "createdAtTime": {"N": "0"}}),
    _event("INSERT", _image(other={"a": [1, None, True, MARK]}, name=None)),
    _event("INSERT", _image(valueOne=2**63 - 1, createdAtTime=253402300799999)),
    _event("INSERT", _image(valueOne=2**63, siteId="x" * 257)),
)
"""Inserts, modifications, removals by a person and by time to live; the last cannot be read."""
