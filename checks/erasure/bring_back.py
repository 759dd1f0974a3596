"""What would bring erased keys back: quarantined objects, a dead letter, and an export."""

import gzip
import json
from collections.abc import Collection, Iterable
from datetime import UTC, datetime

from chalicelib.partitions import ERROR_PREFIX
from checks.crash.compare import stream_arn, stream_records
from sluice.items import Item
from sluice.lake import keys
from sluice.stack import Stack

_EXPORTS = "erasure-exports"


def put_export(stack: Stack, items: Collection[Item]) -> str:
    """Write an export of items, as the table has them now, to another bucket; return its place."""
    described = stack.dynamodb.describe_table(TableName=stack.output("TableName"))["Table"]
    folder = "AWSDynamoDB/01700000000000-0123abcd/"
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    summary = {
        "exportArn": f"{described['TableArn']}/export/01700000000000-0123abcd",
        "tableArn": described["TableArn"],
        "tableId": described["TableId"],
        "itemCount": len(items),
        "outputFormat": "DYNAMODB_JSON",
        "exportTime": now,
    }
    name = f"{folder}data/one.json.gz"
    lines = "".join(json.dumps({"Item": item}) + "\n" for item in items)
    stack.s3.create_bucket(Bucket=_EXPORTS)
    for key, body in (
        (name, gzip.compress(lines.encode())),
        (f"{folder}manifest-files.json", _json({"dataFileS3Key": name, "itemCount": len(items)})),
        (f"{folder}manifest-summary.json", _json(summary)),
    ):
        stack.s3.put_object(Bucket=_EXPORTS, Key=key, Body=body)
    return f"s3://{_EXPORTS}/"


def quarantined(stack: Stack) -> list[bytes]:
    """Return the bodies of the objects in quarantine."""
    return [
        stack.s3.get_object(Bucket=stack.bucket, Key=key)["Body"].read()
        for key, _ in keys(stack, ERROR_PREFIX)
    ]


def put_errors(stack: Stack, bodies: Iterable[bytes]) -> None:
    """Put objects into quarantine again."""
    for number, body in enumerate(bodies):
        key = f"{ERROR_PREFIX}processing-failed/again-{number}"
        stack.s3.put_object(Bucket=stack.bucket, Key=key, Body=body)


def send_dead_letters(stack: Stack, deleted: Collection[str]) -> None:
    """Send dead letters that point at the last deletions of keys."""
    last: dict[str, tuple[str, str]] = {}
    for shard, record in stream_records(stack):
        change = record["dynamodb"]
        if record["eventName"] == "REMOVE" and (key := change["Keys"]["id"]["S"]) in deleted:
            last[key] = shard, change["SequenceNumber"]
    shards: dict[str, list[str]] = {}
    for shard, number in last.values():
        shards.setdefault(shard, []).append(number)
    for shard, numbers in shards.items():
        pointer = {
            "shardId": shard,
            "startSequenceNumber": min(numbers, key=int),
            "endSequenceNumber": max(numbers, key=int),
            "batchSize": len(numbers),
            "streamArn": stream_arn(stack),
        }
        stack.sqs.send_message(
            QueueUrl=stack.output("DeadLetterQueueUrl"),
            MessageBody=json.dumps({"DDBStreamBatchInfo": pointer}),
        )


def _json(document: object) -> bytes:
    return json.dumps(document).encode()
