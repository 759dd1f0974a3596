"""Refuses a backfill that would leave a gap to the stream: see docs/lake.md."""

from typing import TYPE_CHECKING

from chalicelib.limits import STREAM_RETENTION
from sluice.backfill.export import Export
from sluice.errors import OperationError
from sluice.feed import Feed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef


def refuse_standing(feed: Feed) -> None:
    """Raises OperationError for a feed that does not follow the stream."""
    if not feed.follows:
        raise OperationError(
            f"{feed.name} is {feed.state}: changes made beside the backfill would not reach the "
            f"lake; start it with `{feed.start}`"
        )


def refuse_gap(export: Export, table: "TableDescriptionTypeDef", feed: Feed) -> None:
    """Raises OperationError for an export of another table, or from long before the feed began."""
    if export.summary.tableArn != table["TableArn"]:
        raise OperationError(
            f"the export is of {export.summary.tableArn}, and the stack's table is "
            f"{table['TableArn']}"
        )
    if export.summary.tableId != table["TableId"]:
        raise OperationError(
            f"the export is of an earlier table of the name of {table['TableArn']}; "
            "take a new export"
        )
    begins = feed.began - STREAM_RETENTION
    if export.taken_at < begins:
        raise OperationError(
            f"the export shows the table at {export.taken_at:%Y-%m-%d %H:%M:%S %Z}, and "
            f"{feed.name} reads the stream from {begins:%Y-%m-%d %H:%M:%S %Z} on at the earliest: "
            "changes in between are in neither; take a new export"
        )
