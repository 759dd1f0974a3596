"""The one table of what the commands of `sluice` need, and the managed policies that grant it.

A command's rights are rows like those of the roles in `rights`, with the command in the place of
the caller. A policy lets its holder run a few commands, and grants only their rows.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from aws_cdk import aws_iam as iam
from constructs import Construct

from chalicelib.partitions import FEED_FAILURES
from infrastructure.access import Condition, Right, always, only
from infrastructure.acknowledgments import acknowledge_wildcards
from infrastructure.grants import statements
from infrastructure.settings import DeploymentSettings
from infrastructure.terms import (
    BUCKET,
    BY_FUNCTION,
    BY_PIPE,
    DOCS,
    FIREHOSE_ENCRYPTION,
    HAS_API,
    KEY,
    OF_THE_BUCKET,
    QUEUE,
    STREAM,
    arn,
    by_function,
    by_pipe,
    has_api,
    has_table_key,
    via,
)

POLICIES: Mapping[str, tuple[str, ...]] = {
    "Read": ("status", "tree", "sample", "failed", "logs", "query", "verify", "plan", "init"),
    "Repair": ("replay", "redrive"),
    "Write": ("seed", "backfill"),
    "Probe": ("probe",),
    "Compact": ("compact",),
    "Erase": ("erase",),
}
"""The managed policies by their names in the stack, each with the commands it is for."""

_OF_A_STACK = tuple(
    command for commands in POLICIES.values() for command in commands if command != "init"
)
_LAKE, _QUARANTINE, _REPLAYED, _RESULTS, _COMPACTED, _ERASED = (
    f"{BUCKET}/{prefix}/*"
    for prefix in ("data", "errors", "errors-replayed", "query-results", "iceberg", "erased")
)
_GIVEN_UP = f"{BUCKET}/{FEED_FAILURES}*"
_AUTHORIZATION = f"{DOCS}service-authorization/latest/reference/"
_S3 = f"{_AUTHORIZATION}list_amazons3.html"
_DYNAMODB = f"{_AUTHORIZATION}list_amazondynamodb.html"
_ATHENA = f"{DOCS}athena/latest/ug/managed-policies.html"
_SSE_KMS = f"{DOCS}AmazonS3/latest/userguide/UsingKMSEncryption.html"


def _rows(
    *commands: str,
    may: Iterable[str],
    on: Iterable[str],
    why: str,
    source: str,
    when: Iterable[Condition] = (),
    holds: Callable[[DeploymentSettings], bool] = always,
    holds_when: str = "",
) -> list[Right]:
    """The same right of several commands."""
    return [
        Right(
            who=f"sluice {command}",
            actions=tuple(may),
            on=tuple(on),
            why=why,
            source=source,
            conditions=tuple(when),
            holds=holds,
            holds_when=holds_when,
        )
        for command in commands
    ]


def _table_key_rows(*commands: str, when: Iterable[Condition] = ()) -> list[Right]:
    return _rows(
        *commands,
        may=["kms:Decrypt"],
        on=["<table key>"],
        why="What the table holds, and its stream, is encrypted with the table's key.",
        source=f"{DOCS}amazondynamodb/latest/developerguide/encryption.usagenotes.html",
        when=when,
        holds=has_table_key,
        holds_when="the table has a customer key",
    )


def _seeds_directly(settings: DeploymentSettings) -> bool:
    return not settings.has_api or not all(shape.is_declared for shape in settings.table.shapes)


_DIRECTLY = "there is no API, or the table may hold items of no declared kind"

_PIPE = only(
    by_pipe,
    BY_PIPE,
    *_rows(
        *("status", "verify", "backfill", "erase"),
        may=["pipes:DescribePipe"],
        on=["${Pipe/Pipe.Arn}"],
        why="The pipe's state, its start, and which changes it passes.",
        source=f"{_AUTHORIZATION}list_amazoneventbridgepipes.html",
    ),
    *_rows(
        *("status", "verify", "redrive", "backfill"),
        may=["sqs:GetQueueAttributes"],
        on=[QUEUE],
        why="How many dead letters there are.",
        source=f"{_AUTHORIZATION}list_amazonsqs.html",
    ),
    *_rows(
        "redrive",
        may=["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"],
        on=[QUEUE],
        why="It reads the dead letters, gives back what it leaves, and removes what arrived.",
        source=f"{_AUTHORIZATION}list_amazonsqs.html",
    ),
    *_rows(
        "probe",
        may=["sqs:ReceiveMessage"],
        on=[QUEUE],
        why="It looks at dead letters, and leaves them.",
        source=f"{_AUTHORIZATION}list_amazonsqs.html",
    ),
    *_rows(
        "probe",
        may=["kms:Decrypt"],
        on=[KEY],
        when=[via("sqs")],
        why="SQS asks it of whoever reads an encrypted queue.",
        source=f"{DOCS}AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html",
    ),
    *_rows(
        "logs",
        may=["logs:FilterLogEvents"],
        on=["${Pipe/Log.Arn}"],
        why="What the pipe logged.",
        source=f"{_AUTHORIZATION}list_amazoncloudwatchlogs.html",
    ),
)

_FEED = only(
    by_function,
    BY_FUNCTION,
    *_rows(
        *("status", "verify", "backfill", "erase"),
        may=["lambda:GetEventSourceMapping"],
        on=[arn("lambda", "event-source-mapping:${FunctionFeed/Mapping}")],
        why="The state of what feeds the delivery stream, its start, and which changes it passes.",
        source=f"{_AUTHORIZATION}list_awslambda.html",
    ),
    *_rows(
        "logs",
        may=["logs:FilterLogEvents"],
        on=["${FunctionFeed/Log.Arn}"],
        why="What the feed function logged.",
        source=f"{_AUTHORIZATION}list_amazoncloudwatchlogs.html",
    ),
)

OPERATORS: tuple[Right, ...] = (
    *_PIPE,
    *_FEED,
    *_rows(
        *_OF_A_STACK,
        may=["cloudformation:DescribeStacks"],
        on=[arn("cloudformation", "stack/<stack>/*")],
        why="A command finds the parts of the stack by its outputs.",
        source=f"{_AUTHORIZATION}list_awscloudformation.html",
    ),
    *_rows(
        *("status", "verify", "backfill", "erase"),
        may=["firehose:DescribeDeliveryStream"],
        on=[STREAM],
        why="The delivery stream's state and buffers.",
        source=f"{_AUTHORIZATION}list_amazonkinesisfirehose.html",
    ),
    *_rows(
        "status",
        may=["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricStatistics"],
        on=["*"],
        why="Which alarms are off, and how old what waits is. CloudWatch knows no narrower right.",
        source=f"{_AUTHORIZATION}list_amazoncloudwatch.html",
    ),
    *_rows(
        *("status", "tree", "sample", "failed", "plan", "replay", "redrive", "probe", "compact"),
        "erase",
        may=["s3:ListBucket"],
        on=[BUCKET],
        why="Which objects there are.",
        source=_S3,
    ),
    *_rows(
        *("status", "tree", "sample", "plan", "probe", "compact"),
        may=["s3:GetObject"],
        on=[_LAKE],
        why="Lines of the lake.",
        source=_S3,
    ),
    *_rows(
        *("status", "failed", "replay"),
        may=["s3:GetObject"],
        on=[_QUARANTINE, _REPLAYED],
        why="What lies in quarantine, and the notes of what was replayed.",
        source=_S3,
    ),
    *_rows(
        *("status", "failed", "redrive"),
        may=["s3:GetObject"],
        on=[_GIVEN_UP],
        why="The batches that the feed function gave up.",
        source=_S3,
    ),
    *_rows(
        "redrive",
        may=["s3:DeleteObject"],
        on=[_GIVEN_UP],
        why="A batch that was put back leaves its prefix.",
        source=_S3,
    ),
    *_rows(
        "redrive",
        may=["s3:GetObject"],
        on=[_REPLAYED],
        why="The notes of what was put back.",
        source=_S3,
    ),
    *_rows(
        "probe",
        may=["s3:GetObject"],
        on=[_QUARANTINE],
        why="What lies in quarantine.",
        source=_S3,
    ),
    *_rows(
        *("replay", "redrive"),
        may=["s3:PutObject", "s3:DeleteObject"],
        on=[_REPLAYED],
        why="It keeps what was put back, and a note of how far it is.",
        source=_S3,
    ),
    *_rows(
        "replay",
        may=["s3:DeleteObject"],
        on=[_QUARANTINE],
        why="What was replayed leaves quarantine.",
        source=_S3,
    ),
    *_rows(
        "compact",
        may=["s3:DeleteObject", "s3:PutObject"],
        on=[_COMPACTED],
        why="It writes the files of the compacted tables, and removes those that nothing reads.",
        source=_S3,
    ),
    *_rows(
        *("status", "tree", "compact"),
        may=["s3:GetObject"],
        on=[_COMPACTED],
        why="How large the compacted tables are, and what they hold.",
        source=_S3,
    ),
    *_rows(
        "compact",
        may=["s3:DeleteObject"],
        on=[_LAKE],
        why="What both compacted tables have leaves the raw lake.",
        source=_S3,
    ),
    *_rows(
        "compact",
        may=["glue:GetDatabase"],
        on=[arn("glue", "catalog"), arn("glue", "database/<database>")],
        why="Whose storage the database's tables have.",
        source=f"{_AUTHORIZATION}list_awsglue.html",
    ),
    *_rows(
        *("status", "tree"),
        may=["glue:GetTable"],
        on=[
            arn("glue", "catalog"),
            arn("glue", "database/<database>"),
            arn("glue", "table/<database>/*"),
        ],
        why="Whether the lake has compacted tables, and where they are.",
        source=f"{_AUTHORIZATION}list_awsglue.html",
    ),
    *_rows(
        "compact",
        may=["glue:CreateTable", "glue:GetTable", "glue:UpdateTable"],
        on=[
            arn("glue", "catalog"),
            arn("glue", "database/<database>"),
            arn("glue", "table/<database>/*"),
        ],
        why="A commit to a compacted table is a change of its entry in the catalog.",
        source=f"{_AUTHORIZATION}list_awsglue.html",
    ),
    *_rows(
        *("status", "tree", "sample", "plan", "failed", "compact", "erase"),
        *("query", "verify", "replay", "backfill", "probe"),
        may=["kms:Decrypt"],
        on=[KEY],
        when=OF_THE_BUCKET,
        why="Objects are encrypted with the stack's key.",
        source=_SSE_KMS,
    ),
    *_rows(
        *("query", "verify", "replay", "backfill", "probe", "compact", "erase"),
        may=["kms:GenerateDataKey"],
        on=[KEY],
        when=OF_THE_BUCKET,
        why="Objects are written under the stack's key: results of queries, what was replayed, the "
        "compacted tables, and what stays of an object after an erasure.",
        source=_SSE_KMS,
    ),
    *_rows(
        *("query", "verify", "backfill", "probe", "compact"),
        may=[
            "athena:GetQueryExecution",
            "athena:GetQueryResults",
            "athena:StartQueryExecution",
            "athena:StopQueryExecution",
        ],
        on=[arn("athena", "workgroup/${Catalog/WorkGroup}")],
        why="Queries run in the stack's workgroup, and are stopped by Ctrl-C.",
        source=f"{DOCS}athena/latest/ug/workgroups-iam-policy.html",
    ),
    *_rows(
        *("query", "verify", "backfill", "probe"),
        may=["athena:GetTableMetadata"],
        on=[arn("athena", "datacatalog/AwsDataCatalog")],
        why="How the lake is laid out, and what its tables show.",
        source=f"{_AUTHORIZATION}list_amazonathena.html",
    ),
    *_rows(
        *("query", "verify", "backfill", "probe", "compact"),
        may=["glue:GetDatabase", "glue:GetPartitions", "glue:GetTable"],
        on=[
            arn("glue", "catalog"),
            arn("glue", "database/<database>"),
            arn("glue", "table/<database>/*"),
        ],
        why="Athena reads the tables of the lake with its caller's rights.",
        source=f"{DOCS}athena/latest/ug/fine-grained-access-to-glue-resources.html",
    ),
    *_rows(
        *("query", "verify", "backfill", "probe", "compact"),
        may=["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
        on=[BUCKET],
        why="Athena finds the objects, and the place of its results.",
        source=_ATHENA,
    ),
    *_rows(
        *("query", "verify", "backfill", "probe"),
        may=["s3:GetObject"],
        on=[_LAKE, _COMPACTED],
        why="Athena reads the lake with its caller's rights.",
        source=_ATHENA,
    ),
    *_rows(
        *("query", "verify", "backfill", "probe", "compact"),
        may=[
            "s3:AbortMultipartUpload",
            "s3:GetObject",
            "s3:ListMultipartUploadParts",
            "s3:PutObject",
        ],
        on=[_RESULTS],
        why="Athena writes and reads results with its caller's rights.",
        source=_ATHENA,
    ),
    *_rows(
        *("verify", "failed", "erase"),
        may=["lambda:GetFunctionConfiguration"],
        on=["${Transform.Arn}"],
        why="The settings by which the transform reads changes.",
        source=f"{_AUTHORIZATION}list_awslambda.html",
    ),
    *_rows(
        "logs",
        may=["logs:FilterLogEvents"],
        on=[
            "${Runtime/TransformLog.Arn}",
            "${Delivery/Log.Arn}",
        ],
        why="What the parts logged.",
        source=f"{_AUTHORIZATION}list_amazoncloudwatchlogs.html",
    ),
    *_rows(
        "logs",
        may=["logs:FilterLogEvents"],
        on=["${Runtime/ApiLog.Arn}"],
        why="What the API logged.",
        source=f"{_AUTHORIZATION}list_amazoncloudwatchlogs.html",
        holds=has_api,
        holds_when=HAS_API,
    ),
    *_rows(
        *("verify", "plan", "backfill", "init"),
        may=["dynamodb:DescribeTable"],
        on=["<table>"],
        why="The table's key, its size and its stream.",
        source=_DYNAMODB,
    ),
    *_rows(
        *("verify", "backfill", "init"),
        may=["dynamodb:Scan"],
        on=["<table>"],
        why="The table's items.",
        source=_DYNAMODB,
    ),
    *_rows(
        "probe",
        may=["dynamodb:DeleteItem", "dynamodb:PutItem"],
        on=["<table>"],
        why="It writes two marked items, and deletes them.",
        source=_DYNAMODB,
    ),
    *_rows(
        "seed",
        may=["dynamodb:BatchWriteItem", "dynamodb:DeleteItem"],
        on=["<table>"],
        why="It writes straight to the table what no API takes.",
        source=_DYNAMODB,
        holds=_seeds_directly,
        holds_when=_DIRECTLY,
    ),
    *_rows(
        "seed",
        may=["kms:Decrypt"],
        on=["<table key>"],
        when=[via("dynamodb")],
        why="DynamoDB uses the table's key with its caller's rights.",
        source=f"{DOCS}amazondynamodb/latest/developerguide/encryption.usagenotes.html",
        holds=lambda settings: _seeds_directly(settings) and has_table_key(settings),
        holds_when=f"{_DIRECTLY}; the table has a customer key",
    ),
    *_rows(
        "erase",
        may=["s3:ListBucketVersions"],
        on=[BUCKET],
        why="Which old versions there are, also of deleted objects.",
        source=_S3,
    ),
    *_rows(
        "erase",
        may=["s3:DeleteObjectVersion", "s3:GetObjectVersion"],
        on=[_LAKE, _QUARANTINE, _REPLAYED, _GIVEN_UP, _RESULTS],
        why="It reads every version, and deletes for good what has an erased key.",
        source=_S3,
    ),
    *_rows(
        "erase",
        may=["s3:GetObject", "s3:PutObject"],
        on=[_LAKE, _QUARANTINE, _REPLAYED, _GIVEN_UP],
        why="It writes what stays of an object, if that is still the one that was read.",
        source=f"{DOCS}AmazonS3/latest/userguide/conditional-writes.html",
    ),
    *_rows(
        "erase",
        may=["s3:GetObject", "s3:PutObject"],
        on=[_ERASED],
        why="It remembers keyed hashes of what was erased.",
        source=_S3,
    ),
    *_rows(
        *("replay", "redrive", "backfill"),
        may=["s3:GetObject"],
        on=[_ERASED],
        why="Changes of erased keys are held back.",
        source=_S3,
    ),
    *_rows(
        "erase",
        may=["dynamodb:BatchGetItem"],
        on=["<table>"],
        why="Whether the table still has a key.",
        source=_DYNAMODB,
    ),
    *_table_key_rows("verify", "backfill", "probe", "init", "erase", when=[via("dynamodb")]),
    *_table_key_rows("plan", "redrive"),
    *_rows(
        "plan",
        may=["dynamodb:DescribeStream"],
        on=["<stream>"],
        why="The shards of the table's stream.",
        source=_DYNAMODB,
    ),
    *_rows(
        *("plan", "redrive"),
        may=["dynamodb:GetRecords", "dynamodb:GetShardIterator"],
        on=["<stream>"],
        why="Changes from the table's stream.",
        source=_DYNAMODB,
    ),
    *_rows(
        *("replay", "redrive", "backfill"),
        may=["firehose:PutRecordBatch"],
        on=[STREAM],
        why="It puts changes into the delivery stream.",
        source=f"{_AUTHORIZATION}list_amazonkinesisfirehose.html",
    ),
    *_rows(
        *("replay", "redrive", "backfill"),
        may=["kms:Decrypt", "kms:GenerateDataKey"],
        on=[KEY],
        why="Firehose asks both of whoever puts into a stream with a customer key; SQS and S3 ask "
        "the first of whoever reads, and S3 the second of whoever writes.",
        source=FIREHOSE_ENCRYPTION,
    ),
    *_rows(
        "probe",
        may=["lambda:InvokeFunction"],
        on=["${Transform.Arn}"],
        why="How the transform's response is encoded.",
        source=f"{_AUTHORIZATION}list_awslambda.html",
    ),
    *_rows(
        "seed",
        may=["execute-api:Invoke"],
        on=[arn("execute-api", "${RestAPI}/*/*/records*")],
        holds=has_api,
        holds_when=HAS_API,
        why="It writes through the API, like any caller.",
        source=f"{DOCS}apigateway/latest/developerguide/api-gateway-control-access-using-iam-policies-to-invoke-api.html",
    ),
)
"""The table."""


def _policy(name: str) -> str:
    return f"${{Operators/{name}.Arn}}"


POLICY_RIGHTS = tuple(
    dict.fromkeys(
        replace(right, who=_policy(name))
        for name, commands in POLICIES.items()
        for right in OPERATORS
        if right.who.removeprefix("sluice ") in commands
    )
)
"""The same rights with the policies in the place of the commands."""


class Operators(Construct):
    """The managed policies, attached to nobody."""

    def __init__(self, scope: Construct, id: str, *, settings: DeploymentSettings) -> None:
        super().__init__(scope, id)
        for name, commands in POLICIES.items():
            rights = statements(self, _policy(name), settings, POLICY_RIGHTS)
            policy = iam.ManagedPolicy(
                self,
                name,
                description=f"sluice {', '.join(commands)} of {settings.stack_name}.",
                # AWS bounds the length of a policy, and many rights differ in one thing alone.
                document=iam.PolicyDocument(minimize=True, statements=rights),
            )
            acknowledge_wildcards(
                policy,
                rights,
                "Firehose names the objects, and CloudWatch's reading rights have no resource; "
                "each row of the table names the page that says so.",
            )
