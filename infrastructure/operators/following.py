"""What commands may do with the table, its stream and the delivery stream."""

from infrastructure.access import Condition, Right
from infrastructure.operators.rows import AUTHORIZATION, DYNAMODB, rows
from infrastructure.settings import DeploymentSettings
from infrastructure.terms import DOCS, FIREHOSE_ENCRYPTION, KEY, STREAM, has_table_key, via


def table_key_rows(commands: str, when: Condition | tuple[Condition, ...] = ()) -> list[Right]:
    """Return the right to use the key of the table."""
    return rows(
        commands,
        may="kms:Decrypt",
        on="<table key>",
        why="What the table holds, and its stream, is encrypted with the table's key.",
        source=f"{DOCS}amazondynamodb/latest/developerguide/encryption.usagenotes.html",
        when=when,
        holds=has_table_key,
        holds_when="the table has a customer key",
    )


def _seeds_directly(settings: DeploymentSettings) -> bool:
    return not settings.has_api or not all(shape.is_declared for shape in settings.table.shapes)


_DIRECTLY = "there is no API, or the table may hold items of no declared kind"

FOLLOWING = (
    *rows(
        "status verify backfill erase",
        may="firehose:DescribeDeliveryStream",
        on=STREAM,
        why="The delivery stream's state and buffers.",
        source=f"{AUTHORIZATION}list_amazonkinesisfirehose.html",
    ),
    *rows(
        "verify plan backfill init",
        may="dynamodb:DescribeTable",
        on="<table>",
        why="The table's key, its size and its stream.",
        source=DYNAMODB,
    ),
    *rows(
        "verify backfill init",
        may="dynamodb:Scan",
        on="<table>",
        why="The table's items.",
        source=DYNAMODB,
    ),
    *rows(
        "probe",
        may="dynamodb:DeleteItem dynamodb:PutItem",
        on="<table>",
        why="It writes two marked items, and deletes them.",
        source=DYNAMODB,
    ),
    *rows(
        "seed",
        may="dynamodb:BatchWriteItem dynamodb:DeleteItem",
        on="<table>",
        why="It writes straight to the table what no API takes.",
        source=DYNAMODB,
        holds=_seeds_directly,
        holds_when=_DIRECTLY,
    ),
    *rows(
        "seed",
        may="kms:Decrypt",
        on="<table key>",
        when=via("dynamodb"),
        why="DynamoDB uses the table's key with its caller's rights.",
        source=f"{DOCS}amazondynamodb/latest/developerguide/encryption.usagenotes.html",
        holds=lambda settings: _seeds_directly(settings) and has_table_key(settings),
        holds_when=f"{_DIRECTLY}; the table has a customer key",
    ),
    *rows(
        "erase",
        may="dynamodb:BatchGetItem",
        on="<table>",
        why="Whether the table still has a key.",
        source=DYNAMODB,
    ),
    *table_key_rows("verify backfill probe init erase", when=via("dynamodb")),
    *table_key_rows("plan redrive"),
    *rows(
        "plan",
        may="dynamodb:DescribeStream",
        on="<stream>",
        why="The shards of the table's stream.",
        source=DYNAMODB,
    ),
    *rows(
        "plan redrive",
        may="dynamodb:GetRecords dynamodb:GetShardIterator",
        on="<stream>",
        why="Changes from the table's stream.",
        source=DYNAMODB,
    ),
    *rows(
        "replay redrive backfill",
        may="firehose:PutRecordBatch",
        on=STREAM,
        why="It puts changes into the delivery stream.",
        source=f"{AUTHORIZATION}list_amazonkinesisfirehose.html",
    ),
    *rows(
        "replay redrive backfill",
        may="kms:Decrypt kms:GenerateDataKey",
        on=KEY,
        why="Firehose asks both of whoever puts into a stream with a customer key; SQS and S3 ask "
        "the first of whoever reads, and S3 the second of whoever writes.",
        source=FIREHOSE_ENCRYPTION,
    ),
)
