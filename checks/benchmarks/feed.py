"""What the feed function costs a change, beside the decoding that Lambda's runtime does anyway."""

import json
import random
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

from chalicelib.feed import pack
from checks.benchmarks.events import MINUTE_MS, BatchShape, change
from checks.benchmarks.verdict import Measurement

ROUNDS = 40
BATCH = 1_000
ITEM_BYTES = (150, 500, 1_000)
TARGET_MICROSECONDS = 8.0
STREAM = "arn:aws:dynamodb:us-east-1:111122223333:table/records/stream/2026-01-31T12:00:00.000"


def measurements(quick: bool = False) -> Iterable[Measurement]:
    """Measure the packing of a batch of changes that replaced items, which have both images."""
    for item_bytes in ITEM_BYTES:
        event = json.dumps({"Records": [_record(n, item_bytes) for n in range(BATCH)]})
        changes = json.loads(event)["Records"]
        packing, decoding = (
            _microseconds(work, 5 if quick else ROUNDS)
            for work in (lambda of=changes: pack(of), lambda of=event: json.loads(of))
        )
        yield Measurement(
            f"feed: packing a change of a {item_bytes:,} B item",
            packing,
            "µs",
            TARGET_MICROSECONDS,
            remark=f"the runtime decodes it in {decoding:.1f} µs; "
            f"{BATCH:,} are {len(pack(changes).payloads)} records",
        )


def _record(number: int, item_bytes: int) -> dict[str, Any]:
    """Return a record of the table's stream."""
    spelled = change(number, BatchShape(item_bytes, BATCH, 0.0, MINUTE_MS), random.Random(number))  # noqa: S311
    record: dict[str, Any] = json.loads(spelled)
    del record["userIdentity"]
    record["dynamodb"]["OldImage"] = record["dynamodb"]["NewImage"]
    return {
        **record,
        "eventName": "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "eventSourceARN": STREAM,
    }


def _microseconds(work: Callable[[], object], rounds: int) -> float:
    """Return the median processor time of a change, over batches."""
    took = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        took.append(time.process_time() - start)
    return statistics.median(took) / BATCH * 1e6
