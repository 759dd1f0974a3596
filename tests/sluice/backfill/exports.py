"""Exports to S3, as DynamoDB writes them.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html
"""

import gzip
import hashlib
import json
from base64 import b64encode
from typing import Any

EXPORT_ID = "01700000000000-0123abcd"
TABLE_ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/t"


def data_file(items: list[Any]) -> bytes:
    return gzip.compress(b"".join(json.dumps({"Item": item}).encode() + b"\n" for item in items))


def export_objects(
    files: dict[str, bytes],
    counts: dict[str, int],
    prefix: str,
    export_id: str = EXPORT_ID,
    **summary: Any,
) -> dict[str, bytes]:
    """The objects of an export of data files, by key.

    Further arguments replace members of the summary; None takes one away.
    """
    folder = f"{prefix}AWSDynamoDB/{export_id}/"
    listing = [
        {
            "itemCount": counts[name],
            "md5Checksum": b64encode(hashlib.md5(body).digest()).decode(),  # noqa: S324
            "etag": hashlib.md5(body).hexdigest() + "-1",  # noqa: S324
            "dataFileS3Key": f"{folder}data/{name}",
        }
        for name, body in files.items()
    ]
    table_arn = summary.get("tableArn", TABLE_ARN)
    document = {
        "version": "2020-06-30",
        "exportArn": f"{table_arn}/export/{export_id}",
        "startTime": "2023-11-15T19:30:00.000Z",
        "endTime": "2023-11-15T19:40:00.000Z",
        "tableArn": table_arn,
        "tableId": "12345a12-abcd-123a-ab12-1234abc12345",
        "exportTime": "2023-11-15T19:29:11.926Z",
        "s3Bucket": "exports",
        "s3Prefix": prefix.rstrip("/"),
        "s3SseAlgorithm": "AES256",
        "manifestFilesS3Key": f"{folder}manifest-files.json",
        "billedSizeBytes": 0,
        "itemCount": sum(counts.values()),
        "outputFormat": "DYNAMODB_JSON",
        **summary,
    }
    kept = {name: value for name, value in document.items() if value is not None}
    manifests = {
        "manifest-files": b"".join(json.dumps(line).encode() + b"\n" for line in listing),
        "manifest-summary": json.dumps({**kept, "s3SseKmsKeyId": None}).encode(),
    }
    return {
        f"{folder}_started": b"",
        **{f"{folder}data/{name}": body for name, body in files.items()},
        **{f"{folder}{name}.json": body for name, body in manifests.items()},
        **{
            f"{folder}{name}.checksum": b64encode(hashlib.sha256(body).digest())
            for name, body in manifests.items()
        },
    }
