"""The rights of the compaction: of its function, and of what calls it."""

from infrastructure.access import Condition, Right, only, right
from infrastructure.rights.common import function_rights
from infrastructure.settings import DeploymentSettings
from infrastructure.terms import BUCKET, DOCS, KEY, OF_THE_BUCKET, arn

_COMPACT_ROLE = "${Runtime/CompactRole.Arn}"
_ATHENA_ACCESS = f"{DOCS}athena/latest/ug/managed-policies.html"


def _compacts(settings: DeploymentSettings) -> bool:
    return settings.compacts


def _scheduled(settings: DeploymentSettings) -> bool:
    return settings.compaction in ("hourly", "daily")


def _compact_right(*actions: str, on: tuple[str, ...], why: str) -> Right:
    """What Athena and Glue do on behalf of the function that compacts."""
    return Right(
        who=_COMPACT_ROLE,
        actions=actions,
        on=on,
        conditions=OF_THE_BUCKET if actions[0].startswith("kms:") else (),
        why=why,
        source=_ATHENA_ACCESS,
    )


COMPACTION = (
    *only(
        _compacts,
        "`compaction` is not `off`",
        *function_rights(_COMPACT_ROLE, "${Runtime/CompactLog.Arn}"),
        _compact_right(
            "athena:GetQueryExecution",
            "athena:GetQueryResults",
            "athena:StartQueryExecution",
            on=(arn("athena", "workgroup/<stack>"),),
            why="It runs its statements in the stack's workgroup.",
        ),
        _compact_right(
            "glue:GetDatabase",
            "glue:GetPartitions",
            "glue:GetTable",
            on=(
                arn("glue", "catalog"),
                arn("glue", "database/<database>"),
                arn("glue", "table/<database>/*"),
            ),
            why="Athena reads the tables of the lake with its caller's rights.",
        ),
        _compact_right(
            "glue:CreateTable",
            "glue:UpdateTable",
            on=(
                arn("glue", "catalog"),
                arn("glue", "database/<database>"),
                arn("glue", "table/<database>/current"),
                arn("glue", "table/<database>/history"),
            ),
            why="It makes the compacted tables; a commit to one is a change of its entry.",
        ),
        _compact_right(
            "s3:GetBucketLocation",
            "s3:ListBucket",
            "s3:ListBucketMultipartUploads",
            on=(BUCKET,),
            why="It lists the lake, and Athena finds the bucket.",
        ),
        _compact_right(
            "s3:DeleteObject",
            "s3:GetObject",
            on=(f"{BUCKET}/data/*",),
            why="Raw objects that both compacted tables have leave the lake.",
        ),
        _compact_right(
            "s3:AbortMultipartUpload",
            "s3:DeleteObject",
            "s3:GetObject",
            "s3:ListMultipartUploadParts",
            "s3:PutObject",
            on=(f"{BUCKET}/iceberg/*",),
            why="Athena writes the compacted tables' files, and removes those that nothing reads.",
        ),
        _compact_right(
            "s3:AbortMultipartUpload",
            "s3:GetObject",
            "s3:ListMultipartUploadParts",
            "s3:PutObject",
            on=(f"{BUCKET}/query-results/*",),
            why="Each statement has a result.",
        ),
        _compact_right(
            "kms:Decrypt",
            "kms:GenerateDataKey",
            on=(KEY,),
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
        holds=_scheduled,
        holds_when="`compaction` is `hourly` or `daily`",
    ),
)
