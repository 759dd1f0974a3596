"""The record and the layout of its partitions: the only place where they are declared.

Validation, the DynamoDB item, the typed decoding of changes, the lake's lines, the S3 prefix, the
catalog's columns and the table in `docs/record.md` all derive from this module.
"""

import time
import uuid
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from chalicelib.declaration import EPOCH_MS_MAX, Int64, Key, Kind, Table, Time


def _new_id() -> str:
    return str(uuid.uuid4())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Record(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One record of the table.

    A field typed `| UnsetType` may be absent; a field with a default factory is filled in by the
    API when absent, and every stored item has it.
    """

    id: Annotated[
        str,
        Meta(min_length=1, max_length=512, description="Key of the table; generated when absent."),
    ] = field(default_factory=_new_id)
    siteId: Annotated[
        str, Meta(min_length=1, description="Site the record belongs to; first partition level.")
    ]
    createdAtTime: Annotated[
        int,
        Meta(
            ge=0,
            le=EPOCH_MS_MAX,
            description="Event time in epoch milliseconds, UTC, years 1970-9999; now when absent.",
        ),
    ] = field(default_factory=_now_ms)
    name: Annotated[str, Meta(description="Free text.")] | UnsetType = UNSET
    valueOne: Annotated[Int64, Meta(description="First value, 64-bit.")] | UnsetType = UNSET
    valueTwo: Annotated[Int64, Meta(description="Second value, 64-bit.")] | UnsetType = UNSET


TABLE = Table(
    key=(Key("id"),),
    kinds=(Kind("record", Record),),
    times=(Time("createdAtTime"),),
    layout=("siteId", "year", "month", "day", "hour", "minute"),
    examples=(
        {
            "id": "123",
            "siteId": "2",
            "createdAtTime": 1700076551926,
            "name": "Name one",
            "valueOne": 123,
            "valueTwo": 6789,
        },
        {
            "id": "456",
            "siteId": "1",
            "createdAtTime": 1700076551318,
            "name": "Name one",
            "valueOne": 782,
            "valueTwo": 152,
        },
    ),
)
