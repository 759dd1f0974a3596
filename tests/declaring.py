"""Tables for tests: the one that ships with other records, layouts and rules, and worked ones."""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from msgspec import Struct

from chalicelib.change import CHANGE_TYPES
from chalicelib.declaration import CHANGED, Key, Kind, Table, Time, Undeclared, record_fields
from chalicelib.declared import load
from chalicelib.partitions import path
from chalicelib.schema import TABLE, Record
from chalicelib.transform import transformer
from sluice.items import Item
from sluice.seed import records
from sluice.synthesis import item_of

WORKED = Path(__file__).parents[1] / "tables"


def table(
    record: type[Struct] = Record,
    layout: Sequence[str] = TABLE.layout,
    undeclared: Undeclared = "keep",
) -> Table:
    """A table of one kind of record, with the shipped one's key and time where it has them."""
    fields = record_fields(record)
    return Table(
        key=(TABLE.key[0] if TABLE.key[0].name in fields else Key(next(iter(fields))),),
        kinds=(Kind("record", record, undeclared=undeclared),),
        times=(Time("createdAtTime") if "createdAtTime" in fields else CHANGED,),
        layout=tuple(layout),
    )


def schema_outputs(declared: Table = TABLE) -> dict[str, str]:
    """The outputs of a stack that say which table it was deployed with."""
    return {"SchemaFingerprint": declared.fingerprint, "Layout": "/".join(declared.layout)}


def worked(name: str) -> Table:
    """A table of `tables/`."""
    return load(WORKED / f"{name}.py")


@cache
def items_of(declared: Table, count: int) -> list[Item]:
    """Items of a table, of every kind in turn, the same at each call."""
    return [item_of(declared, each) for each in records(declared, count, Random(5))]  # noqa: S311


def change(item: Mapping[str, Any], sequence: int, name: str = "INSERT") -> bytes:
    """A change of an item, as the pipe passes it."""
    data = {
        "SequenceNumber": str(sequence),
        "ApproximateCreationDateTime": 1_700_000_000,
        "OldImage" if name == "REMOVE" else "NewImage": item,
    }
    return msgspec.json.encode({"eventID": f"e{sequence}", "eventName": name, "dynamodb": data})


def delivered(declared: Table, payloads: Sequence[bytes]) -> list[tuple[str, bytes]]:
    """The folders and the lines that payloads come to; each must be delivered."""
    transform = transformer(declared, CHANGE_TYPES, hasher=lambda it: sha256(it).hexdigest())
    sent = [
        {"recordId": str(number), "data": b64encode(payload).decode()}
        for number, payload in enumerate(payloads)
    ]
    answers = transform({"records": sent})["records"]
    assert {answer["result"] for answer in answers} == {"Ok"}, answers
    return [
        (path(answer["metadata"]["partitionKeys"]), b64decode(answer["data"])) for answer in answers
    ]
