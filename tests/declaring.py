"""Tables for tests: the one that ships with other records, layouts and rules."""

from collections.abc import Sequence

from msgspec import Struct

from chalicelib.declaration import CHANGED, Key, Kind, Table, Time, Undeclared, record_fields
from chalicelib.schema import TABLE, Record


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
