"""The rights of what feeds the delivery stream: of the pipe, or of the function in its place."""

from functools import partial

from chalicelib.partitions import FEED_FAILURES
from infrastructure.access import DOCS, Condition, only, right
from infrastructure.rights.common import READ_STREAM, THIS_ACCOUNT, function_rights
from infrastructure.terms import (
    BUCKET,
    BY_FUNCTION,
    BY_PIPE,
    DYNAMODB_ENCRYPTION,
    FIREHOSE_ENCRYPTION,
    HAS_TABLE_KEY,
    KEY,
    QUEUE,
    STREAM,
    arn,
)

_PIPES = f"{DOCS}eventbridge/latest/userguide/"
_PIPE_ACCESS = f"{_PIPES}eb-pipes-permissions.html"
_FEED_FAILURES = f"{DOCS}lambda/latest/dg/services-dynamodb-errors.html"

_pipe = partial(right, "${Pipe/Role.Arn}")
_feed = partial(right, "${FunctionFeed/Role.Arn}")

PIPE = only(
    BY_PIPE,
    right(
        "pipes.amazonaws.com",
        "sts:AssumeRole",
        on="${Pipe/Role.Arn}",
        when=(THIS_ACCOUNT, Condition("ArnLike", "aws:SourceArn", (arn("pipes", "pipe/*"),))),
        why="The pipe works under its role. Its name is made after the role, so any pipe of the "
        "account passes that somebody may give the role to (`iam:PassRole`).",
        source=_PIPE_ACCESS,
    ),
    _pipe(
        READ_STREAM,
        on="<stream>",
        why="It reads the table's stream.",
        source=_PIPE_ACCESS,
    ),
    _pipe(
        "firehose:PutRecord firehose:PutRecordBatch",
        on=STREAM,
        why="It puts changes into the delivery stream.",
        source=_PIPE_ACCESS,
    ),
    _pipe(
        "sqs:SendMessage",
        on=QUEUE,
        why="It leaves a dead letter where it had to give up.",
        source=f"{_PIPES}eb-pipes-dynamodb.html",
    ),
    _pipe(
        "kms:Decrypt kms:GenerateDataKey",
        on=KEY,
        why="Firehose asks both of whoever puts into a stream with a customer key, and SQS of "
        "whoever sends to an encrypted queue.",
        source=FIREHOSE_ENCRYPTION,
    ),
    _pipe(
        "kms:Decrypt",
        on="<table key>",
        why="A table's stream is encrypted with the key of its table.",
        source=f"{_PIPES}eb-pipes-error-troubleshooting.html",
        case=HAS_TABLE_KEY,
    ),
)

FEED = only(
    BY_FUNCTION,
    *function_rights("${FunctionFeed/Role.Arn}", "${FunctionFeed/Log.Arn}"),
    _feed(
        READ_STREAM,
        on="<stream>",
        why="Lambda reads the table's stream for it.",
        source=f"{DOCS}lambda/latest/dg/with-ddb.html",
    ),
    _feed(
        "firehose:PutRecordBatch",
        on=STREAM,
        why="It puts changes into the delivery stream.",
    ),
    _feed(
        "s3:PutObject",
        on=f"{BUCKET}/{FEED_FAILURES}*",
        why="What is given up is kept there: by Lambda, or by the function itself.",
        source=_FEED_FAILURES,
    ),
    _feed(
        "s3:ListBucket",
        on=BUCKET,
        why="Lambda asks it of who has a bucket for what is given up.",
        source=_FEED_FAILURES,
    ),
    _feed(
        "kms:Decrypt kms:GenerateDataKey",
        on=KEY,
        why="Firehose asks both of whoever puts into a stream with a customer key, and S3 the "
        "second of whoever writes an object.",
        source=FIREHOSE_ENCRYPTION,
    ),
    _feed(
        "kms:Decrypt",
        on="<table key>",
        why="A table's stream is encrypted with the key of its table.",
        source=DYNAMODB_ENCRYPTION,
        case=HAS_TABLE_KEY,
    ),
)
