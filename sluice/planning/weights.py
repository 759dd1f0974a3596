"""The sizes of one change on its way, measured on samples that pass the code itself.

A sample change is rendered by the pipe's template and answered by the transform; its line is
compressed as Firehose does. The samples are synthetic records of the declared table, of every kind
in turn, and their text is random words, as no real data are known.
"""

import gzip
import itertools
import json
import random
import uuid
from base64 import b64decode, b64encode
from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from statistics import fmean
from typing import Any

from chalicelib.attributes import fold
from chalicelib.declaration import RecordShape, Table
from chalicelib.keys import key_of
from chalicelib.transform import transformer
from sluice.event import as_event, render
from sluice.planning.workload import Workload
from sluice.synthesis import Synthesis, item_of, takes_text

SAMPLES_MAX = 256
SAMPLE_BYTES = 1_000_000
"""Of items that are large, fewer samples are taken: this many bytes of them, and two at least."""

COMPRESSION_LEVEL = 6
"""Firehose's is not documented; this is gzip's own default."""

MEASURED_LINES = (1, 2, 4, 16, 64, 256)
"""Objects of these numbers of lines are compressed to measure their bytes; beyond, a line adds as
much as at the end."""

PARQUET_FOOTER_BYTES = 3_500
"""Bytes of a Parquet object's schema and statistics, whatever it holds."""

PARQUET_SHARE = 1.5
"""Bytes of a line in Parquet with Snappy, beside the same in gzipped JSON: measured on such samples
with pyarrow, 1.3 for items of 200 bytes, 1.5 for 500 and 1.8 for 2,000. Snappy compresses text less
than gzip does."""

COMPACTED_SHARE = 0.88
"""Bytes of a row of the compacted tables, with Zstandard, beside a line in a large gzipped object:
measured in the same way, 0.87 for items of 200 bytes, 0.88 for 500 and 0.95 for 2,000."""

_RECORD_ID = "4954698668313554428650745793632162567570" + "0" * 16
_STREAM_ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/records/stream/0"
_FILLER = "filler"
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_MINUTES = 24 * 60
ID_LENGTH = 36
_LETTERS = "etaoinshrdlucmfw"


@dataclass(frozen=True, slots=True)
class Weights:
    """Bytes of an average change. Sizes of objects go by their number of lines."""

    item: float
    """Of the item, as DynamoDB bills it."""
    record: float
    """Of the record that the pipe puts into Firehose."""
    record_max: float
    """Of the largest of these."""
    answer: float
    """Of the transform's answer for it."""
    line: float
    """Of the line, before compression."""
    measured: tuple[tuple[int, float], ...]
    """Numbers of lines, and the bytes of such an object as stored."""
    compacted: float
    """Of the row that the line becomes, in the compacted tables."""

    def stored(self, lines: float) -> float:
        """Return the bytes of an object with this many lines, as stored."""
        points = self.measured
        for (fewer, small), (more, large) in itertools.pairwise(points):
            if lines <= more or (more, large) == points[-1]:
                return small + (large - small) * (lines - fewer) / (more - fewer)
        return points[0][1]


def weigh(
    workload: Workload, table: Table, layout: Sequence[str], lake_format: str = "json"
) -> Weights:
    """Return the weights of a workload's changes of a table, for this layout."""
    return _weigh(
        workload.item_bytes,
        workload.updates,
        workload.deletes,
        min(workload.sites, SAMPLES_MAX),
        table,
        tuple(layout),
        lake_format,
    )


@lru_cache(maxsize=64)
def _weigh(
    item_bytes: int,
    updates: float,
    deletes: float,
    sites: int,
    table: Table,
    layout: tuple[str, ...],
    lake_format: str,
) -> Weights:
    samples = max(2, min(SAMPLES_MAX, SAMPLE_BYTES // item_bytes))
    kinds = _kinds(samples, updates, deletes)
    table = table.with_layout(layout)
    images = sample_items(table, samples, item_bytes, sites)
    records = [
        render(stream_record(table, kind, image, number, item_bytes))
        for number, (kind, image) in enumerate(zip(kinds, images, strict=True))
    ]
    transform = transformer(table, hasher=lambda content: sha256(content).hexdigest())
    # One by one: together, large ones would not fit into a response.
    answers = [
        transform({"records": [{"recordId": _RECORD_ID, "data": b64encode(record).decode()}]})[
            "records"
        ][0]
        for record in records
    ]
    lines = [b64decode(answer["data"]) for answer in answers]
    return Weights(
        item=fmean(map(item_bytes_of, images)),
        record=fmean(map(len, records)),
        record_max=max(map(len, records)),
        answer=fmean(len(json.dumps(answer)) + 2 for answer in answers),
        line=fmean(map(len, lines)),
        measured=tuple(
            (count, _stored(lines, count, lake_format))
            for count in MEASURED_LINES
            if count <= samples
        ),
        compacted=_gzipped(lines) / len(lines) * COMPACTED_SHARE,
    )


def sample_items(table: Table, count: int, size: int, sites: int = 20) -> list[dict[str, Any]]:
    """Return items of about this size, as boto3 takes them: always the same ones."""
    chance = random.Random(size)  # noqa: S311
    words = ["".join(chance.choices(_LETTERS, k=chance.randint(3, 9))) for _ in range(2_000)]
    synthesis = Synthesis(table, chance, sites, _MINUTES, _NOW.timestamp())
    items = []
    for kind, record in synthesis.records(count):
        shape, item = table.shape(kind), item_of(table, record)
        last = table.key_names[-1]
        if last not in synthesis.told_by and takes_text(shape, last, ID_LENGTH):
            item[last] = {"S": _an_id(chance)}
        items.append(_sized(item, shape, synthesis.fixed, size, words, chance))
    return items


def item_bytes_of(item: dict[str, Any]) -> int:
    """Return an item's size as DynamoDB counts it: its attributes' names and values.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + fold(value, _value_bytes) for name, value in item.items())


def _value_bytes(kind: str, content: Any) -> int:
    """Return an attribute's size: a byte for two digits and one more, three for a list or a map.

    Of a list or map, the content holds the sizes of its elements.
    """
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return (len(content) + 1) // 2 + 1
        case "B":
            return len(content)
        case "SS" | "NS" | "BS":
            return sum(_value_bytes(kind[0], member) for member in content)
        case "L":
            elements: list[int] = content
            return 3 + len(elements) + sum(elements)
        case "M":
            values: dict[str, int] = content
            return 3 + sum(1 + len(name.encode()) + size for name, size in values.items())
    return 1


def stream_record(
    table: Table,
    kind: str,
    image: dict[str, Any],
    number: int = 0,
    size: int = 0,
    at: datetime = _NOW,
) -> dict[str, Any]:
    """A change of an item as the table's stream reports it."""
    images = {
        "INSERT": ("NewImage",),
        "MODIFY": ("NewImage", "OldImage"),
        "REMOVE": ("OldImage",),
    }[kind]
    change = {
        "ApproximateCreationDateTime": at,
        "Keys": key_of(table, image),
        **dict.fromkeys(images, image),
        "SequenceNumber": f"{44215845 * 10**20 + number}",
        "SizeBytes": size * len(images),
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    record = {"eventID": uuid.UUID(int=number).hex, "eventName": kind, "dynamodb": change}
    return as_event(record, _STREAM_ARN)


def _kinds(samples: int, updates: float, deletes: float) -> list[str]:
    """Return the kinds of the samples, in the workload's shares; the largest is always included."""
    modified = max(round(updates * samples), 1 if updates else 0)
    removed = min(round(deletes * samples), samples - modified)
    return (
        ["MODIFY"] * modified + ["REMOVE"] * removed + ["INSERT"] * (samples - modified - removed)
    )


def _sized(
    item: dict[str, Any],
    shape: RecordShape,
    fixed: Container[str],
    size: int,
    words: Sequence[str],
    chance: random.Random,
) -> dict[str, Any]:
    """Return an item made about as large as the size asks, by the text of one of its fields.

    That is a declared one without a rule, or else one that nobody declared. Of an item too small
    for them all, other fields are left out.
    """
    texts = (name for name in shape.fields if name not in fixed and takes_text(shape, name, size))
    text = next(texts, _FILLER)
    image = {name: value for name, value in item.items() if name in fixed}
    for name, value in item.items():
        if name != text and item_bytes_of(image | {name: value}) <= size:
            image[name] = value
    room = size - item_bytes_of(image) - len(text.encode())
    if room > 0:
        image[text] = {"S": " ".join(chance.choices(words, k=room // 3 + 1))[:room]}
    return image


def _an_id(chance: random.Random) -> str:
    """Return an id as most programs make them, which compresses little."""
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def _stored(lines: Sequence[bytes], count: int, lake_format: str) -> float:
    """Return the bytes of an object with this many of the lines."""
    if lake_format == "json":
        return _gzipped(lines[:count])
    return PARQUET_FOOTER_BYTES + count * _gzipped(lines) / len(lines) * PARQUET_SHARE


def _gzipped(lines: Sequence[bytes]) -> int:
    return len(gzip.compress(b"".join(lines), COMPRESSION_LEVEL, mtime=0))
