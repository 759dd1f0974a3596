"""The rights of the compaction: of its function, and of what calls it."""

from functools import partial

from infrastructure.access import DOCS, Case, Condition, only, right
from infrastructure.rights.common import function_rights
from infrastructure.terms import BUCKET, KEY, OF_THE_BUCKET, arn, glue_tables

_compact = partial(
    right, "${Runtime/CompactRole.Arn}", source=f"{DOCS}athena/latest/ug/managed-policies.html"
)
"""The row of what Athena and Glue do on behalf of the function that compacts."""

COMPACTION = (
    *only(
        Case(lambda settings: settings.compacts, "`compaction` is not `off`"),
        *function_rights("${Runtime/CompactRole.Arn}", "${Runtime/CompactLog.Arn}"),
        _compact(
            "athena:GetQueryExecution athena:GetQueryResults athena:StartQueryExecution",
            on=arn("athena", "workgroup/<stack>"),
            why="It runs its statements in the stack's workgroup.",
        ),
        _compact(
            "glue:GetDatabase glue:GetPartitions glue:GetTable",
            on=glue_tables("*"),
            why="Athena reads the tables of the lake with its caller's rights.",
        ),
        _compact(
            "glue:CreateTable glue:UpdateTable",
            on=glue_tables("current", "history"),
            why="It makes the compacted tables; a commit to one is a change of its entry.",
        ),
        _compact(
            "s3:GetBucketLocation s3:ListBucket s3:ListBucketMultipartUploads",
            on=BUCKET,
            why="It lists the lake, and Athena finds the bucket.",
        ),
        _compact(
            "s3:DeleteObject s3:GetObject",
            on=f"{BUCKET}/data/*",
            why="Raw objects that both compacted tables have leave the lake.",
        ),
        _compact(
            "s3:AbortMultipartUpload s3:DeleteObject s3:GetObject s3:ListMultipartUploadParts "
            "s3:PutObject",
            on=f"{BUCKET}/iceberg/*",
            why="Athena writes the compacted tables' files, and removes those that nothing reads.",
        ),
        _compact(
            "s3:AbortMultipartUpload s3:GetObject s3:ListMultipartUploadParts s3:PutObject",
            on=f"{BUCKET}/query-results/*",
            why="Each statement has a result.",
        ),
        _compact(
            "kms:Decrypt kms:GenerateDataKey",
            on=KEY,
            when=OF_THE_BUCKET,
            why="S3 encrypts what is written, only for this bucket.",
        ),
    ),
    right(
        "events.amazonaws.com",
        "lambda:InvokeFunction",
        on="${Compact}",
        when=Condition("ArnLike", "aws:SourceArn", (arn("events", "rule/<stack>-compact"),)),
        why="The schedule calls the function that compacts.",
        source=f"{DOCS}eventbridge/latest/userguide/eb-use-resource-based.html",
        case=Case(
            lambda settings: settings.compaction in ("hourly", "daily"),
            "`compaction` is `hourly` or `daily`",
        ),
    ),
)
