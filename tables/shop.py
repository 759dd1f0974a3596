"""A shop in single-table design: customers, their orders and the items of an order under one key.

pk              sk                   what it is
CUSTOMER#17     PROFILE              a customer
CUSTOMER#17     ORDER#2026-05-04#9   an order of that customer
ORDER#9         ITEM#1               an item of that order
"""

from decimal import Decimal
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.declaration import CHANGED, ByPrefix, Key, Kind, Table, Time

Moment = Annotated[str, Meta(min_length=20, max_length=35, description="ISO 8601, with offset.")]


class Item(Struct, frozen=True, kw_only=True):
    """What every kind has. The key must be declared in all of them, so they share this class."""

    pk: Annotated[str, Meta(min_length=1, max_length=128, description="Partition key.")]
    sk: Annotated[str, Meta(min_length=1, max_length=128, description="Sort key.")]
    createdAt: Moment
    updatedAt: Moment | UnsetType = UNSET


class Address(Struct, frozen=True, kw_only=True):
    """A map within an item. Its column holds the text of its JSON."""

    city: str
    country: Annotated[str, Meta(min_length=2, max_length=2)]


class Customer(Item, frozen=True, kw_only=True):
    """A customer."""

    name: Annotated[str, Meta(min_length=1, max_length=200, description="Full name.")]
    email: Annotated[str, Meta(description="In the lake only as a hash: see protect.")]
    address: Address | UnsetType = UNSET


class Order(Item, frozen=True, kw_only=True):
    """An order."""

    status: Annotated[str, Meta(pattern="^(open|paid|sent)$", description="open, paid or sent.")]
    # Decimal, never float: what DynamoDB calls a number has up to 38 digits, and all are kept.
    total: Annotated[Decimal, Meta(description="In euros.")]
    # A reserved word of SQL is a name like any other, since all SQL that is made is quoted.
    group: Annotated[str, Meta(description="For discounts.")] | UnsetType = UNSET


class OrderItem(Item, frozen=True, kw_only=True):
    """An item of an order."""

    product: Annotated[str, Meta(min_length=1, description="What was ordered.")]
    quantity: Annotated[int, Meta(ge=1, le=10_000)]
    price: Annotated[Decimal, Meta(description="Of one, in euros.")]
    tags: set[str] | UnsetType = UNSET


TABLE = Table(
    key=(Key("pk"), Key("sk")),
    # How the text of sk begins says of which kind an item is. No `when` may begin another's. In a
    # table with an attribute for it: told_by=ByAttribute("type"), and its text as `when`.
    told_by=ByPrefix("sk"),
    kinds=(
        Kind("customer", Customer, when="PROFILE"),
        Kind("order", Order, when="ORDER#"),
        Kind("item", OrderItem, when="ITEM#", undeclared="quarantine"),
    ),
    # Items of no kind above go to the kind `other`, with their key, and all else in `extra`.
    others="keep",
    # The first of these that an item has. The last is the time of the change, for `other` kinds.
    times=(Time("updatedAt", "iso"), Time("createdAt", "iso"), CHANGED),
    # The kind is a level of its own before these: data/kind=order/year=2026/month=05/day=04/.
    layout=("year", "month", "day"),
    protect={"email": "hash"},
    examples=(
        {
            "pk": "CUSTOMER#17",
            "sk": "PROFILE",
            "createdAt": "2026-05-01T09:30:00Z",
            "name": "Ada Long",
            "email": "ada@example.com",
            "address": {"city": "Utrecht", "country": "NL"},
        },
        {
            "pk": "CUSTOMER#17",
            "sk": "ORDER#2026-05-04#9",
            "createdAt": "2026-05-04T18:02:11.250Z",
            "updatedAt": "2026-05-04T20:05:00+02:00",
            "status": "paid",
            "total": "59.85",
            "group": "regular",
        },
        {
            "pk": "ORDER#9",
            "sk": "ITEM#1",
            "createdAt": "2026-05-04T18:02:11.250Z",
            "product": "lamp",
            "quantity": 3,
            "price": "19.95",
            "tags": ["light", "sale"],
        },
    ),
)
