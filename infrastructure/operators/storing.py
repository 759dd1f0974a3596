"""What commands may do with the bucket, and with the tables over it."""

from chalicelib.partitions import FEED_FAILURES
from infrastructure.operators.rows import AUTHORIZATION, rows
from infrastructure.terms import BUCKET, DOCS, KEY, OF_THE_BUCKET, arn

_LAKE, _QUARANTINE, _REPLAYED, _RESULTS, _COMPACTED, _ERASED = (
    f"{BUCKET}/{prefix}/*"
    for prefix in ("data", "errors", "errors-replayed", "query-results", "iceberg", "erased")
)
_GIVEN_UP = f"{BUCKET}/{FEED_FAILURES}*"
_S3 = f"{AUTHORIZATION}list_amazons3.html"
_ATHENA = f"{DOCS}athena/latest/ug/managed-policies.html"
_SSE_KMS = f"{DOCS}AmazonS3/latest/userguide/UsingKMSEncryption.html"
_TABLES = (
    arn("glue", "catalog"),
    arn("glue", "database/<database>"),
    arn("glue", "table/<database>/*"),
)
"""What a right on the lake's tables needs to name."""

STORING = (
    *rows(
        "status tree sample failed plan replay redrive probe compact erase",
        may="s3:ListBucket",
        on=BUCKET,
        why="Which objects there are.",
        source=_S3,
    ),
    *rows(
        "status tree sample plan probe compact",
        may="s3:GetObject",
        on=_LAKE,
        why="Lines of the lake.",
        source=_S3,
    ),
    *rows(
        "status failed replay",
        may="s3:GetObject",
        on=(_QUARANTINE, _REPLAYED),
        why="What lies in quarantine, and the notes of what was replayed.",
        source=_S3,
    ),
    *rows(
        "status failed redrive",
        may="s3:GetObject",
        on=_GIVEN_UP,
        why="The batches that the feed function gave up.",
        source=_S3,
    ),
    *rows(
        "redrive",
        may="s3:DeleteObject",
        on=_GIVEN_UP,
        why="A batch that was put back leaves its prefix.",
        source=_S3,
    ),
    *rows(
        "redrive",
        may="s3:GetObject",
        on=_REPLAYED,
        why="The notes of what was put back.",
        source=_S3,
    ),
    *rows(
        "probe",
        may="s3:GetObject",
        on=_QUARANTINE,
        why="What lies in quarantine.",
        source=_S3,
    ),
    *rows(
        "replay redrive",
        may="s3:PutObject s3:DeleteObject",
        on=_REPLAYED,
        why="It keeps what was put back, and a note of how far it is.",
        source=_S3,
    ),
    *rows(
        "replay",
        may="s3:DeleteObject",
        on=_QUARANTINE,
        why="What was replayed leaves quarantine.",
        source=_S3,
    ),
    *rows(
        "compact erase",
        may="s3:DeleteObject s3:PutObject",
        on=_COMPACTED,
        why="It writes the files of the compacted tables, and removes those that nothing reads.",
        source=_S3,
    ),
    *rows(
        "status tree compact erase",
        may="s3:GetObject",
        on=_COMPACTED,
        why="How large the compacted tables are, and what they hold.",
        source=_S3,
    ),
    *rows(
        "compact",
        may="s3:DeleteObject",
        on=_LAKE,
        why="What both compacted tables have leaves the raw lake.",
        source=_S3,
    ),
    *rows(
        "compact erase",
        may="glue:GetDatabase",
        on=(arn("glue", "catalog"), arn("glue", "database/<database>")),
        why="Whose storage the database's tables have.",
        source=f"{AUTHORIZATION}list_awsglue.html",
    ),
    *rows(
        "status tree",
        may="glue:GetTable",
        on=_TABLES,
        why="Whether the lake has compacted tables, and where they are.",
        source=f"{AUTHORIZATION}list_awsglue.html",
    ),
    *rows(
        "compact erase",
        may="glue:GetTable glue:UpdateTable",
        on=_TABLES,
        why="A commit to a compacted table is a change of its entry in the catalog.",
        source=f"{AUTHORIZATION}list_awsglue.html",
    ),
    *rows(
        "compact",
        may="glue:CreateTable",
        on=_TABLES,
        why="The first compaction makes the compacted tables.",
        source=f"{AUTHORIZATION}list_awsglue.html",
    ),
    *rows(
        "status tree sample plan failed compact erase query verify replay backfill probe",
        may="kms:Decrypt",
        on=KEY,
        when=OF_THE_BUCKET,
        why="Objects are encrypted with the stack's key.",
        source=_SSE_KMS,
    ),
    *rows(
        "query verify replay backfill probe compact erase",
        may="kms:GenerateDataKey",
        on=KEY,
        when=OF_THE_BUCKET,
        why="Objects are written under the stack's key: results of queries, what was replayed, the "
        "compacted tables, and what stays of an object after an erasure.",
        source=_SSE_KMS,
    ),
    *rows(
        "query verify backfill probe compact",
        may="athena:GetQueryExecution athena:GetQueryResults athena:StartQueryExecution "
        "athena:StopQueryExecution",
        on=arn("athena", "workgroup/${Catalog/WorkGroup}"),
        why="Queries run in the stack's workgroup, and are stopped by Ctrl-C.",
        source=f"{DOCS}athena/latest/ug/workgroups-iam-policy.html",
    ),
    *rows(
        "query verify backfill probe",
        may="athena:GetTableMetadata",
        on=arn("athena", "datacatalog/AwsDataCatalog"),
        why="How the lake is laid out, and what its tables show.",
        source=f"{AUTHORIZATION}list_amazonathena.html",
    ),
    *rows(
        "query verify backfill probe compact",
        may="glue:GetDatabase glue:GetPartitions glue:GetTable",
        on=_TABLES,
        why="Athena reads the tables of the lake with its caller's rights.",
        source=f"{DOCS}athena/latest/ug/fine-grained-access-to-glue-resources.html",
    ),
    *rows(
        "query verify backfill probe compact",
        may="s3:GetBucketLocation s3:ListBucket s3:ListBucketMultipartUploads",
        on=BUCKET,
        why="Athena finds the objects, and the place of its results.",
        source=_ATHENA,
    ),
    *rows(
        "query verify backfill probe",
        may="s3:GetObject",
        on=(_LAKE, _COMPACTED),
        why="Athena reads the lake with its caller's rights.",
        source=_ATHENA,
    ),
    *rows(
        "query verify backfill probe compact",
        may="s3:AbortMultipartUpload s3:GetObject s3:ListMultipartUploadParts s3:PutObject",
        on=_RESULTS,
        why="Athena writes and reads results with its caller's rights.",
        source=_ATHENA,
    ),
    *rows(
        "erase",
        may="s3:ListBucketVersions",
        on=BUCKET,
        why="Which old versions there are, also of deleted objects.",
        source=_S3,
    ),
    *rows(
        "erase",
        may="s3:DeleteObjectVersion s3:GetObjectVersion",
        on=(
            _LAKE,
            _QUARANTINE,
            _REPLAYED,
            _GIVEN_UP,
            _RESULTS,
            _COMPACTED,
        ),
        why="It reads every version, and deletes for good what has an erased key.",
        source=_S3,
    ),
    *rows(
        "erase",
        may="s3:GetObject s3:PutObject",
        on=(
            _LAKE,
            _QUARANTINE,
            _REPLAYED,
            _GIVEN_UP,
        ),
        why="It writes what stays of an object, if that is still the one that was read.",
        source=f"{DOCS}AmazonS3/latest/userguide/conditional-writes.html",
    ),
    *rows(
        "erase",
        may="s3:GetObject s3:PutObject",
        on=_ERASED,
        why="It remembers keyed hashes of what was erased.",
        source=_S3,
    ),
    *rows(
        "replay redrive backfill compact",
        may="s3:GetObject",
        on=_ERASED,
        why="Changes of erased keys are held back.",
        source=_S3,
    ),
)
