"""Refuses a backfill that would leave a gap to the stream: see docs/lake.md."""

from typing import TYPE_CHECKING

from chalicelib.limits import STREAM_RETENTION
from sluice.backfill.export import Export
from sluice.errors import OperationError
from sluice.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef
    from mypy_boto3_pipes.type_defs import DescribePipeResponseTypeDef


def running_pipe(stack: Stack) -> "DescribePipeResponseTypeDef":
    """Return the stack's pipe. Raises OperationError when it does not follow the stream."""
    pipe = stack.pipes.describe_pipe(Name=stack.output("PipeName"))
    if pipe["CurrentState"] != "RUNNING":
        raise OperationError(
            f"the pipe {pipe['Name']} is {pipe['CurrentState']}: changes made beside the backfill "
            "would not reach the lake; start it with "
            f"`aws pipes start-pipe --name {pipe['Name']}`"
        )
    return pipe


def refuse_gap(
    export: Export, table: "TableDescriptionTypeDef", pipe: "DescribePipeResponseTypeDef"
) -> None:
    """Raises OperationError for an export of another table, or from long before the pipe began."""
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
    begins = pipe["CreationTime"] - STREAM_RETENTION
    if export.taken_at < begins:
        raise OperationError(
            f"the export shows the table at {export.taken_at:%Y-%m-%d %H:%M:%S %Z}, and the pipe "
            f"reads the stream from {begins:%Y-%m-%d %H:%M:%S %Z} on at the earliest: changes in "
            "between are in neither; take a new export"
        )
