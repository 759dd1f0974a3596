"""The rights of the delivery stream."""

from functools import partial

from infrastructure.access import DOCS, Case, Condition, right
from infrastructure.terms import ACCOUNT, BUCKET, KEY, OF_THE_BUCKET, glue_tables

_ACCESS = f"{DOCS}firehose/latest/dev/controlling-access.html"
_stream = partial(right, "${Delivery/Role.Arn}", source=f"{_ACCESS}#using-iam-s3")
"""The row of what the stream does under its role."""

DELIVERY = (
    right(
        "firehose.amazonaws.com",
        "sts:AssumeRole",
        on="${Delivery/Role.Arn}",
        when=Condition("StringEquals", "sts:ExternalId", (ACCOUNT,)),
        why="The stream works under its role; Firehose names the stream's account as external id.",
        source="https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/firehose/delivery_stream_test.go",
    ),
    _stream(
        "s3:GetBucketLocation s3:ListBucket s3:ListBucketMultipartUploads",
        on=BUCKET,
        why="It finds the bucket and its own unfinished uploads.",
    ),
    _stream(
        "s3:AbortMultipartUpload s3:GetObject s3:PutObject",
        on=(f"{BUCKET}/data/*", f"{BUCKET}/errors/*"),
        why="It writes objects of names it chooses below two prefixes. It cannot delete any.",
    ),
    _stream(
        "kms:Decrypt kms:GenerateDataKey",
        on=KEY,
        when=OF_THE_BUCKET,
        why="S3 encrypts what it writes, only for this bucket.",
    ),
    _stream(
        "lambda:GetFunctionConfiguration lambda:InvokeFunction",
        on=("${Transform.Arn}", "${Transform.Arn}:$LATEST"),
        why="It has its batches transformed.",
    ),
    _stream(
        "logs:PutLogEvents",
        on="${Delivery/Log.Arn}",
        why="It logs what it could not deliver, into a log stream that exists.",
    ),
    _stream(
        "glue:GetTable glue:GetTableVersion glue:GetTableVersions",
        on=glue_tables("<raw changes>"),
        why="It reads the columns that it converts to.",
        source=f"{_ACCESS}#using-iam-glue",
        case=Case(lambda settings: settings.format == "parquet", "`format=parquet`"),
    ),
)
