"""Firehose events of the shapes the transform meets, as the bytes the runtime receives."""

import json
import random
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from typing import Any

from chalicelib.limits import INVOCATION_BYTES_MAX

MINUTE_MS = 60_000
MONTH_MS = 30 * 24 * 60 * MINUTE_MS
BUFFER_BYTES = 1024 * 1024
"""Bytes that the deployed stream passes to the transform at a time."""
RECORDS_OF_EVENTS = 10_000
EVENTS_MAX = 20
NUMBER_BOUNDS = (1000, 2**50)
"""What the numbers of an item stay below, in turn."""


@dataclass(frozen=True, slots=True)
class BatchShape:
    """A kind of batch."""

    item_bytes: int
    batch: int
    """Records; 0 for as many as fill the stream's buffer."""
    poison: float = 0.0
    """The share of records that are not JSON."""
    spread_ms: int = MINUTE_MS
    """The span of event times."""

    @property
    def name(self) -> str:
        """A row's title."""
        size = f"{self.item_bytes} B" if self.item_bytes < 1000 else f"{self.item_bytes // 1000} KB"
        batch = f"{self.batch:,}" if self.batch else "full buffer"
        spread = "1 minute" if self.spread_ms == MINUTE_MS else "30 days"
        return f"{size} x {batch}, {self.poison:.0%} poison, {spread}"


def shapes() -> list[BatchShape]:
    """Return the shapes whose request a Lambda invocation accepts."""
    every = [
        BatchShape(size, batch, poison, spread)
        for size in (150, 1_000, 20_000)
        for batch in (1, 500, 5_000, 0)
        for poison in (0.0, 0.05)
        for spread in (MINUTE_MS, MONTH_MS)
    ]
    return [
        shape
        for shape in every
        if shape.batch * (shape.item_bytes + 600) * 4 / 3 < INVOCATION_BYTES_MAX
        and (shape.batch != 1 or shape == BatchShape(shape.item_bytes, 1))
    ]


def change(index: int, shape: BatchShape, chance: random.Random) -> bytes:
    """Return a stream record in the form of the pipe's template."""
    moment = 1_700_076_551_926 + chance.randrange(shape.spread_ms)
    text = "".join(chance.choices("abcdefghij klmnopqrstuvwxyz", k=max(shape.item_bytes - 120, 8)))
    key, image = _image(
        {"key": f"{index:08x}-f00d", "group": f"site-{index % 20}", "time": moment, "text": text},
        chance,
    )
    stream = {
        "ApproximateCreationDateTime": 1_700_076_552,
        "Keys": {key: image[key]},
        "NewImage": image,
        "SequenceNumber": f"44215845000000000{index:011d}",
        "SizeBytes": shape.item_bytes,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    document = {
        "eventID": f"{chance.getrandbits(128):032x}",
        "eventName": "INSERT",
        "dynamodb": stream,
        "userIdentity": "",
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _image(values: Mapping[str, Any], chance: random.Random) -> tuple[str, dict[str, Any]]:
    """Return the name of the key, and an item with these values, and with numbers beside them."""
    image = {}
    bounds = cycle(NUMBER_BOUNDS)
    for name, role in _roles().items():
        value = values[role] if role else chance.randrange(next(bounds))
        image[name] = {"S": value} if isinstance(value, str) else {"N": str(value)}
        if role == "key":
            key = name
    return key, image


@cache
def _roles() -> dict[str, str]:
    """Return the fields of the table that ships, each with what its values stand for."""
    # Not at import: a process that measures a peer holds nothing of ours.
    from chalicelib.schema import TABLE

    (key,), (time,), group = TABLE.key_names, TABLE.times, TABLE.group
    known = {key: "key", time.field: "time", group and group.attribute: "group"}
    return {
        name: known.get(name, "text" if isinstance(value, str) else "")
        for name, value in TABLE.examples[0].items()
    }


def events(shape: BatchShape) -> list[bytes]:
    """Return different events of a shape, so that no cache of partitions is warmer than on AWS."""
    first = event(shape)
    enough = min(EVENTS_MAX, 1 + RECORDS_OF_EVENTS // len(first[1]))
    return [first[0], *(event(shape, seed)[0] for seed in range(1, enough))]


def event(shape: BatchShape, seed: int = 0) -> tuple[bytes, list[str]]:
    """Return the bytes of an event of a shape, and its recordIds."""
    chance = random.Random(seed)  # noqa: S311
    records: list[dict[str, Any]] = []
    size = 0
    while len(records) < shape.batch or (not shape.batch and size < BUFFER_BYTES):
        data = change(len(records), shape, chance)
        if chance.random() < shape.poison:
            data = data[:-1]
        size += len(data)
        records.append(
            {
                "recordId": f"4954698668313554428650745793632162567570{len(records):016d}",
                "approximateArrivalTimestamp": 1_700_076_552_000,
                "data": b64encode(data).decode(),
            }
        )
    document = {
        "invocationId": "5b6b8c7e-4a3b-4d6b-9a68-0a6d4f1c0a11",
        "deliveryStreamArn": "arn:aws:firehose:us-east-1:000000000000:deliverystream/lake",
        "region": "us-east-1",
        "records": records,
    }
    return json.dumps(document).encode(), [record["recordId"] for record in records]
