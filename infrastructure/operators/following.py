"""What commands may do with the table, its stream and the delivery stream."""

from functools import partial

from infrastructure.access import Case, right
from infrastructure.terms import (
    DYNAMODB_ENCRYPTION,
    FIREHOSE_ENCRYPTION,
    HAS_TABLE_KEY,
    KEY,
    STREAM,
    via,
)

_SEEDS_DIRECTLY = Case(
    lambda settings: (
        not settings.has_api or not all(shape.is_declared for shape in settings.table.shapes)
    ),
    "there is no API, or the table may hold items of no declared kind",
)
_table_key = partial(
    right,
    actions="kms:Decrypt",
    on="<table key>",
    why="What the table holds, and its stream, is encrypted with the table's key.",
    source=DYNAMODB_ENCRYPTION,
    case=HAS_TABLE_KEY,
)

FOLLOWING = (
    right(
        "status verify backfill erase",
        "firehose:DescribeDeliveryStream",
        on=STREAM,
        why="The delivery stream's state and buffers.",
    ),
    right(
        "verify plan backfill init",
        "dynamodb:DescribeTable",
        on="<table>",
        why="The table's key, its size and its stream.",
    ),
    right("verify backfill init", "dynamodb:Scan", on="<table>", why="The table's items."),
    right(
        "probe",
        "dynamodb:DeleteItem dynamodb:PutItem",
        on="<table>",
        why="It writes two marked items, and deletes them.",
    ),
    right(
        "seed",
        "dynamodb:BatchWriteItem dynamodb:DeleteItem",
        on="<table>",
        why="It writes straight to the table what no API takes.",
        case=_SEEDS_DIRECTLY,
    ),
    right(
        "seed",
        "kms:Decrypt",
        on="<table key>",
        when=via("dynamodb"),
        why="DynamoDB uses the table's key with its caller's rights.",
        source=DYNAMODB_ENCRYPTION,
        case=_SEEDS_DIRECTLY & HAS_TABLE_KEY,
    ),
    right("erase", "dynamodb:BatchGetItem", on="<table>", why="Whether the table still has a key."),
    _table_key("verify backfill probe init erase", when=via("dynamodb")),
    _table_key("plan redrive"),
    right(
        "plan", "dynamodb:DescribeStream", on="<stream>", why="The shards of the table's stream."
    ),
    right(
        "plan redrive",
        "dynamodb:GetRecords dynamodb:GetShardIterator",
        on="<stream>",
        why="Changes from the table's stream.",
    ),
    right(
        "replay redrive backfill",
        "firehose:PutRecordBatch",
        on=STREAM,
        why="It puts changes into the delivery stream.",
    ),
    right(
        "replay redrive backfill",
        "kms:Decrypt kms:GenerateDataKey",
        on=KEY,
        why="Firehose asks both of whoever puts into a stream with a customer key; SQS and S3 ask "
        "the first of whoever reads, and S3 the second of whoever writes.",
        source=FIREHOSE_ENCRYPTION,
    ),
)
