"""The rights of the delivery stream."""

from infrastructure.access import Condition, right
from infrastructure.settings import DeploymentSettings
from infrastructure.terms import ACCOUNT, BUCKET, DOCS, KEY, OF_THE_BUCKET, arn

_FIREHOSE_ACCESS = f"{DOCS}firehose/latest/dev/controlling-access.html"
_FIREHOSE_EXTERNAL_ID = (
    "https://github.com/hashicorp/terraform-provider-aws/blob/main/"
    "internal/service/firehose/delivery_stream_test.go"
)


def _parquet(settings: DeploymentSettings) -> bool:
    return settings.format == "parquet"


DELIVERY = (
    right(
        "firehose.amazonaws.com",
        "sts:AssumeRole",
        on="${Delivery/Role.Arn}",
        when=Condition("StringEquals", "sts:ExternalId", (ACCOUNT,)),
        why="The stream works under its role; Firehose names the stream's account as external id.",
        source=_FIREHOSE_EXTERNAL_ID,
    ),
    right(
        "${Delivery/Role.Arn}",
        "s3:GetBucketLocation",
        "s3:ListBucket",
        "s3:ListBucketMultipartUploads",
        on=BUCKET,
        why="It finds the bucket and its own unfinished uploads.",
        source=f"{_FIREHOSE_ACCESS}#using-iam-s3",
    ),
    right(
        "${Delivery/Role.Arn}",
        "s3:AbortMultipartUpload",
        "s3:GetObject",
        "s3:PutObject",
        on=(f"{BUCKET}/data/*", f"{BUCKET}/errors/*"),
        why="It writes objects of names it chooses below two prefixes. It cannot delete any.",
        source=f"{_FIREHOSE_ACCESS}#using-iam-s3",
    ),
    right(
        "${Delivery/Role.Arn}",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        on=KEY,
        when=OF_THE_BUCKET,
        why="S3 encrypts what it writes, only for this bucket.",
        source=f"{_FIREHOSE_ACCESS}#using-iam-s3",
    ),
    right(
        "${Delivery/Role.Arn}",
        "lambda:GetFunctionConfiguration",
        "lambda:InvokeFunction",
        on=("${Transform.Arn}", "${Transform.Arn}:$LATEST"),
        why="It has its batches transformed.",
        source=f"{_FIREHOSE_ACCESS}#using-iam-s3",
    ),
    right(
        "${Delivery/Role.Arn}",
        "logs:PutLogEvents",
        on="${Delivery/Log.Arn}",
        why="It logs what it could not deliver, into a log stream that exists.",
        source=f"{_FIREHOSE_ACCESS}#using-iam-s3",
    ),
    right(
        "${Delivery/Role.Arn}",
        "glue:GetTable",
        "glue:GetTableVersion",
        "glue:GetTableVersions",
        on=(
            arn("glue", "catalog"),
            arn("glue", "database/<database>"),
            arn("glue", "table/<database>/<raw changes>"),
        ),
        why="It reads the columns that it converts to.",
        source=f"{_FIREHOSE_ACCESS}#using-iam-glue",
        holds=_parquet,
        holds_when="`format=parquet`",
    ),
)
