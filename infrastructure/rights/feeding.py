"""The rights of what feeds the delivery stream: of the pipe, or of the function in its place."""

from chalicelib.partitions import FEED_FAILURES
from infrastructure.access import Condition, only, right
from infrastructure.rights.common import READ_STREAM, THIS_ACCOUNT, function_rights
from infrastructure.terms import (
    BUCKET,
    BY_FUNCTION,
    BY_PIPE,
    DOCS,
    FIREHOSE_ENCRYPTION,
    KEY,
    QUEUE,
    STREAM,
    arn,
    by_function,
    by_pipe,
    has_table_key,
)

_PIPE_ACCESS = f"{DOCS}eventbridge/latest/userguide/eb-pipes-permissions.html"
_FEED_ROLE = "${FunctionFeed/Role.Arn}"
_FEED_FAILURES = f"{DOCS}lambda/latest/dg/services-dynamodb-errors.html"

PIPE = only(
    by_pipe,
    BY_PIPE,
    right(
        "pipes.amazonaws.com",
        "sts:AssumeRole",
        on="${Pipe/Role.Arn}",
        when=(
            THIS_ACCOUNT,
            Condition("ArnLike", "aws:SourceArn", (arn("pipes", "pipe/*"),)),
        ),
        why="The pipe works under its role. Its name is made after the role, so any pipe of the "
        "account passes that somebody may give the role to (`iam:PassRole`).",
        source=_PIPE_ACCESS,
    ),
    right(
        "${Pipe/Role.Arn}",
        *READ_STREAM,
        on="<stream>",
        why="It reads the table's stream.",
        source=_PIPE_ACCESS,
    ),
    right(
        "${Pipe/Role.Arn}",
        "firehose:PutRecord",
        "firehose:PutRecordBatch",
        on=STREAM,
        why="It puts changes into the delivery stream.",
        source=_PIPE_ACCESS,
    ),
    right(
        "${Pipe/Role.Arn}",
        "sqs:SendMessage",
        on=QUEUE,
        why="It leaves a dead letter where it had to give up.",
        source=f"{DOCS}eventbridge/latest/userguide/eb-pipes-dynamodb.html",
    ),
    right(
        "${Pipe/Role.Arn}",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        on=KEY,
        why="Firehose asks both of whoever puts into a stream with a customer key, and SQS of "
        "whoever sends to an encrypted queue.",
        source=FIREHOSE_ENCRYPTION,
    ),
    right(
        "${Pipe/Role.Arn}",
        "kms:Decrypt",
        on="<table key>",
        why="A table's stream is encrypted with the key of its table.",
        source=f"{DOCS}eventbridge/latest/userguide/eb-pipes-error-troubleshooting.html",
        holds=has_table_key,
        holds_when="the table has a customer key",
    ),
)

FEED = only(
    by_function,
    BY_FUNCTION,
    *function_rights(_FEED_ROLE, "${FunctionFeed/Log.Arn}"),
    right(
        _FEED_ROLE,
        *READ_STREAM,
        on="<stream>",
        why="Lambda reads the table's stream for it.",
        source=f"{DOCS}lambda/latest/dg/with-ddb.html",
    ),
    right(
        _FEED_ROLE,
        "firehose:PutRecordBatch",
        on=STREAM,
        why="It puts changes into the delivery stream.",
        source=f"{DOCS}service-authorization/latest/reference/list_amazonkinesisfirehose.html",
    ),
    right(
        _FEED_ROLE,
        "s3:PutObject",
        on=f"{BUCKET}/{FEED_FAILURES}*",
        why="What is given up is kept there: by Lambda, or by the function itself.",
        source=_FEED_FAILURES,
    ),
    right(
        _FEED_ROLE,
        "s3:ListBucket",
        on=BUCKET,
        why="Lambda asks it of who has a bucket for what is given up.",
        source=_FEED_FAILURES,
    ),
    right(
        _FEED_ROLE,
        "kms:Decrypt",
        "kms:GenerateDataKey",
        on=KEY,
        why="Firehose asks both of whoever puts into a stream with a customer key, and S3 the "
        "second of whoever writes an object.",
        source=FIREHOSE_ENCRYPTION,
    ),
    right(
        _FEED_ROLE,
        "kms:Decrypt",
        on="<table key>",
        why="A table's stream is encrypted with the key of its table.",
        source=f"{DOCS}amazondynamodb/latest/developerguide/encryption.usagenotes.html",
        holds=has_table_key,
        holds_when="the table has a customer key",
    ),
)
