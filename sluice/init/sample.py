"""A sample of a table's items, from the table itself or from a file in DynamoDB JSON."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.declaration import Key
from sluice.item_file import read_items
from sluice.items import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SEGMENTS = 8
"""Parts of the table that a sample is taken from, so that it is not only of the first items."""


class Sample(NamedTuple):
    """Items, and what else is known of their table."""

    source: str
    """What they are of, for a person."""
    items: list[Item]
    key: tuple[Key, ...] = ()
    """Empty where it is not known."""
    stream_arn: str | None = None
    """Of the table's stream, if it carries both images."""
    key_arn: str | None = None
    """The customer key that the table is encrypted with."""


def sample_table(client: "DynamoDBClient", name: str, count: int) -> Sample:
    """Return a sample of a table, read by a bounded scan. Raises what botocore does."""
    table = client.describe_table(TableName=name)["Table"]
    types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
    schema = sorted(table["KeySchema"], key=lambda each: each["KeyType"])
    key = tuple(Key(each["AttributeName"], types[each["AttributeName"]]) for each in schema)
    stream = table.get("StreamSpecification", {})
    has_images = stream.get("StreamViewType") == "NEW_AND_OLD_IMAGES"
    items: list[Item] = []
    for segment in range(SEGMENTS):
        items += islice(
            _segment(client, name, segment), (count - len(items)) // (SEGMENTS - segment)
        )
    return Sample(
        f"the table {name}",
        items,
        key,
        table.get("LatestStreamArn") if has_images else None,
        table.get("SSEDescription", {}).get("KMSMasterKeyArn"),
    )


def _segment(client: "DynamoDBClient", name: str, segment: int) -> Iterator[Any]:
    pages = client.get_paginator("scan").paginate(
        TableName=name,
        Segment=segment,
        TotalSegments=SEGMENTS,
        PaginationConfig={"PageSize": 100},
    )
    for page in pages:
        yield from page["Items"]


def sample_file(path: Path, count: int) -> Sample:
    """Return a sample of a file. Raises OperationError."""
    return Sample(path.name, list(islice(read_items(path), count)))
