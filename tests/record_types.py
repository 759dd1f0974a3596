"""A record type with a field of every type that a schema can declare."""

from decimal import Decimal
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType


class Address(Struct):
    street: str
    floor: int | None
    codes: set[str] | UnsetType = UNSET


class Everything(Struct):
    """A field of every type that a schema can declare."""

    id: Annotated[str, Meta(min_length=1)]
    siteId: Annotated[str, Meta(max_length=3)]
    whole: int
    exact: Decimal
    data: bytes
    flag: bool
    perhaps: str | None
    perhapsNumber: Annotated[Decimal | None, Meta(description="A number, or not.")]
    many: list[Decimal | None]
    named: dict[str, bytes]
    address: Address
    addresses: dict[str, list[Address]]
    words: set[str]
    amounts: frozenset[Decimal]
    counts: set[int]
    blobs: set[bytes]
