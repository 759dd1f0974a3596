"""A model of AWS Amplify with conflict detection: the table that `type Todo @model` makes."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from chalicelib.declaration import CHANGED, Key, Kind, Table, Time

AwsDateTime = Annotated[str, Meta(min_length=10, max_length=35, description="AWSDateTime.")]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class Todo(Struct, frozen=True, kw_only=True):
    """The model's fields, and those that Amplify adds to every model."""

    id: Annotated[str, Meta(min_length=1, max_length=128, description="Made by Amplify.")]
    content: Annotated[str, Meta(description="What is to be done.")] | None = None
    done: bool | UnsetType = UNSET
    priority: Annotated[int, Meta(ge=1, le=5)] | UnsetType | None = UNSET
    owner: str | UnsetType = UNSET
    createdAt: AwsDateTime
    updatedAt: AwsDateTime
    # Python gives names that begin with two underscores a meaning of its own, so name them here.
    typename: str | UnsetType = field(name="__typename", default=UNSET)
    version: Int64 | UnsetType = field(name="_version", default=UNSET)
    deleted: bool | UnsetType | None = field(name="_deleted", default=UNSET)
    changed: (
        Annotated[int, Meta(ge=0, le=253_402_300_799_999, description="Epoch milliseconds.")]
        | UnsetType
    ) = field(name="_lastChangedAt", default=UNSET)


TABLE = Table(
    key=(Key("id"),),
    kinds=(Kind("todo", Todo),),
    # Items that were written before conflict detection was on have no _lastChangedAt.
    times=(Time("_lastChangedAt", "ms"), Time("updatedAt", "iso"), CHANGED),
    layout=("year", "month", "day", "hour"),
    examples=(
        {
            "id": "5a0b1c9e-5a3c-4d7e-9f63-1c2a7f6b8d10",
            "__typename": "Todo",
            "content": "water the plants",
            "done": False,
            "priority": 2,
            "owner": "ada",
            "createdAt": "2026-05-04T09:00:00.000Z",
            "updatedAt": "2026-05-04T09:12:30.500Z",
            "_version": 3,
            "_deleted": None,
            "_lastChangedAt": 1_777_885_950_512,
        },
        {
            "id": "8f14e45f-ceea-467f-a8a4-0d3c1f1d2b77",
            "content": None,
            "createdAt": "2025-11-02T23:59:59Z",
            "updatedAt": "2025-11-02T23:59:59Z",
        },
    ),
)
