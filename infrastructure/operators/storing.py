"""What commands may do with the bucket, and with the tables over it."""

from chalicelib.partitions import FEED_FAILURES
from infrastructure.access import DOCS, right
from infrastructure.terms import BUCKET, KEY, OF_THE_BUCKET, arn, glue_tables

_LAKE, _QUARANTINE, _REPLAYED, _RESULTS, _COMPACTED, _ERASED = (
    f"{BUCKET}/{prefix}/*"
    for prefix in ("data", "errors", "errors-replayed", "query-results", "iceberg", "erased")
)
_GIVEN_UP = f"{BUCKET}/{FEED_FAILURES}*"
_ATHENA = f"{DOCS}athena/latest/ug/managed-policies.html"
_SSE_KMS = f"{DOCS}AmazonS3/latest/userguide/UsingKMSEncryption.html"
_TABLES = glue_tables("*")
_OBJECTS = (_LAKE, _QUARANTINE, _REPLAYED, _GIVEN_UP)
"""All that holds changes, but for the results of queries and the compacted tables."""

STORING = (
    right(
        "status tree sample failed plan replay redrive probe compact erase",
        "s3:ListBucket",
        on=BUCKET,
        why="Which objects there are.",
    ),
    right(
        "status tree sample plan probe compact", "s3:GetObject", on=_LAKE, why="Lines of the lake."
    ),
    right(
        "status failed replay",
        "s3:GetObject",
        on=(_QUARANTINE, _REPLAYED),
        why="What lies in quarantine, and the notes of what was replayed.",
    ),
    right(
        "status failed redrive",
        "s3:GetObject",
        on=_GIVEN_UP,
        why="The batches that the feed function gave up.",
    ),
    right(
        "redrive",
        "s3:DeleteObject",
        on=_GIVEN_UP,
        why="A batch that was put back leaves its prefix.",
    ),
    right("redrive", "s3:GetObject", on=_REPLAYED, why="The notes of what was put back."),
    right("probe", "s3:GetObject", on=_QUARANTINE, why="What lies in quarantine."),
    right(
        "replay redrive",
        "s3:PutObject s3:DeleteObject",
        on=_REPLAYED,
        why="It keeps what was put back, and a note of how far it is.",
    ),
    right("replay", "s3:DeleteObject", on=_QUARANTINE, why="What was replayed leaves quarantine."),
    right(
        "compact erase",
        "s3:DeleteObject s3:PutObject",
        on=_COMPACTED,
        why="It writes the files of the compacted tables, and removes those that nothing reads.",
    ),
    right(
        "status tree compact erase",
        "s3:GetObject",
        on=_COMPACTED,
        why="How large the compacted tables are, and what they hold.",
    ),
    right(
        "compact",
        "s3:DeleteObject",
        on=_LAKE,
        why="What both compacted tables have leaves the raw lake.",
    ),
    right(
        "compact erase",
        "glue:GetDatabase",
        on=glue_tables(),
        why="Whose storage the database's tables have.",
    ),
    right(
        "status tree",
        "glue:GetTable",
        on=_TABLES,
        why="Whether the lake has compacted tables, and where they are.",
    ),
    right(
        "compact erase",
        "glue:GetTable glue:UpdateTable",
        on=_TABLES,
        why="A commit to a compacted table is a change of its entry in the catalog.",
    ),
    right(
        "compact",
        "glue:CreateTable",
        on=_TABLES,
        why="The first compaction makes the compacted tables.",
    ),
    right(
        "status tree sample plan failed compact erase query verify replay backfill probe",
        "kms:Decrypt",
        on=KEY,
        when=OF_THE_BUCKET,
        why="Objects are encrypted with the stack's key.",
        source=_SSE_KMS,
    ),
    right(
        "query verify replay backfill probe compact erase",
        "kms:GenerateDataKey",
        on=KEY,
        when=OF_THE_BUCKET,
        why="Objects are written under the stack's key: results of queries, what was replayed, the "
        "compacted tables, and what stays of an object after an erasure.",
        source=_SSE_KMS,
    ),
    right(
        "query verify backfill probe compact",
        "athena:GetQueryExecution athena:GetQueryResults athena:StartQueryExecution "
        "athena:StopQueryExecution",
        on=arn("athena", "workgroup/${Catalog/WorkGroup}"),
        why="Queries run in the stack's workgroup, and are stopped by Ctrl-C.",
        source=f"{DOCS}athena/latest/ug/workgroups-iam-policy.html",
    ),
    right(
        "query verify backfill probe",
        "athena:GetTableMetadata",
        on=arn("athena", "datacatalog/AwsDataCatalog"),
        why="How the lake is laid out, and what its tables show.",
    ),
    right(
        "query verify backfill probe compact",
        "glue:GetDatabase glue:GetPartitions glue:GetTable",
        on=_TABLES,
        why="Athena reads the tables of the lake with its caller's rights.",
        source=f"{DOCS}athena/latest/ug/fine-grained-access-to-glue-resources.html",
    ),
    right(
        "query verify backfill probe compact",
        "s3:GetBucketLocation s3:ListBucket s3:ListBucketMultipartUploads",
        on=BUCKET,
        why="Athena finds the objects, and the place of its results.",
        source=_ATHENA,
    ),
    right(
        "query verify backfill probe",
        "s3:GetObject",
        on=(_LAKE, _COMPACTED),
        why="Athena reads the lake with its caller's rights.",
        source=_ATHENA,
    ),
    right(
        "query verify backfill probe compact",
        "s3:AbortMultipartUpload s3:GetObject s3:ListMultipartUploadParts s3:PutObject",
        on=_RESULTS,
        why="Athena writes and reads results with its caller's rights.",
        source=_ATHENA,
    ),
    right(
        "erase",
        "athena:BatchGetQueryExecution athena:ListQueryExecutions",
        on=arn("athena", "workgroup/${Catalog/WorkGroup}"),
        why="It waits for statements that may have read what it erases.",
    ),
    right(
        "erase",
        "s3:ListBucketVersions",
        on=BUCKET,
        why="Which old versions there are, also of deleted objects.",
    ),
    right(
        "erase",
        "s3:DeleteObjectVersion s3:GetObjectVersion",
        on=(*_OBJECTS, _RESULTS, _COMPACTED),
        why="It reads every version, and deletes for good what has an erased key.",
    ),
    right(
        "erase",
        "s3:GetObject s3:PutObject",
        on=_OBJECTS,
        why="It writes what stays of an object, if that is still the one that was read.",
        source=f"{DOCS}AmazonS3/latest/userguide/conditional-writes.html",
    ),
    right(
        "erase",
        "s3:GetObject s3:PutObject",
        on=_ERASED,
        why="It remembers keyed hashes of what was erased.",
    ),
    right(
        "replay redrive backfill compact",
        "s3:GetObject",
        on=_ERASED,
        why="Changes of erased keys are held back.",
    ),
)
