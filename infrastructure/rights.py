"""The one table of who may do what on what, to which every policy of the template is held.

The policies of roles, and of services on the key and the topic, are made of it (see `grants`). What
the CDK's constructs and SAM add is declared beside them. The tests compare: what a template allows
or refuses beyond this table fails, and so does a row that nothing needs.
"""

from collections.abc import Callable

from chalicelib.partitions import FEED_FAILURES
from infrastructure.access import ANYONE, IAM_CALLERS, Condition, Right, always, only
from infrastructure.settings import DeploymentSettings
from infrastructure.terms import (
    ACCOUNT,
    BUCKET,
    BY_FUNCTION,
    BY_PIPE,
    DOCS,
    EMPTYING,
    EMPTYING_LOG,
    FIREHOSE_ENCRYPTION,
    HAS_API,
    HASH_KEY,
    KEY,
    OF_THE_BUCKET,
    QUEUE,
    STREAM,
    TOPIC,
    arn,
    by_function,
    by_pipe,
    has_api,
    has_table_key,
    via,
)

_KEY_USE = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
"""The actions of a service on a key on its caller's behalf."""

_READ_STREAM = (
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
)
"""The actions of a service that follows a table's stream."""

_IAM = f"{DOCS}IAM/latest/UserGuide/"
_FIREHOSE_ACCESS = f"{DOCS}firehose/latest/dev/controlling-access.html"
_FIREHOSE_EXTERNAL_ID = (
    "https://github.com/hashicorp/terraform-provider-aws/blob/main/"
    "internal/service/firehose/delivery_stream_test.go"
)
_LAMBDA_ROLE = f"{DOCS}lambda/latest/dg/lambda-intro-execution-role.html"
_LAMBDA_LOGS = f"{DOCS}lambda/latest/dg/monitoring-cloudwatchlogs.html"
_PIPE_ACCESS = f"{DOCS}eventbridge/latest/userguide/eb-pipes-permissions.html"
_PERIMETER = f"{_IAM}access_policies_data-perimeters.html"
_TLS = f"{_IAM}reference_policies_condition-keys.html#condition-keys-securetransport"


def _parquet(settings: DeploymentSettings) -> bool:
    return settings.format == "parquet"


def _api_has_table_key(settings: DeploymentSettings) -> bool:
    return settings.has_api and has_table_key(settings)


def _hashes(settings: DeploymentSettings) -> bool:
    return settings.table.hashes


def _compacts(settings: DeploymentSettings) -> bool:
    return settings.compacts


def _scheduled(settings: DeploymentSettings) -> bool:
    return settings.compaction in ("hourly", "daily")


def _emptied(settings: DeploymentSettings) -> bool:
    return not settings.retains_data and settings.target == "aws"


_THIS_ACCOUNT = Condition("StringEquals", "aws:SourceAccount", (ACCOUNT,))
_ALARMS_OF_THE_STACK = (
    _THIS_ACCOUNT,
    Condition("ArnLike", "aws:SourceArn", (arn("cloudwatch", "alarm:<stack>-*"),)),
)
_FOREIGN = (
    Condition("StringNotEquals", "aws:PrincipalAccount", (ACCOUNT,)),
    Condition("BoolIfExists", "aws:PrincipalIsAWSService", ("false",)),
)
_BUCKET_AND_OBJECTS = (BUCKET, f"{BUCKET}/*")


def _function(
    role: str,
    log: str,
    holds: Callable[[DeploymentSettings], bool] = always,
    holds_when: str = "",
) -> tuple[Right, Right]:
    """What each function of this role and log needs to work at all."""
    return (
        Right(
            who="lambda.amazonaws.com",
            actions=("sts:AssumeRole",),
            on=(role,),
            conditions=(_THIS_ACCOUNT,),
            why="The functions work under a role each.",
            source=_LAMBDA_ROLE,
            holds=holds,
            holds_when=holds_when,
        ),
        Right(
            who=role,
            actions=("logs:CreateLogStream", "logs:PutLogEvents"),
            on=(log,),
            why="A function writes its own log, and cannot make another.",
            source=_LAMBDA_LOGS,
            holds=holds,
            holds_when=holds_when,
        ),
    )


def _refuses_plain_http(action: str, *on: str) -> Right:
    return Right(
        who=ANYONE,
        actions=(action,),
        on=on,
        effect="Deny",
        conditions=(Condition("Bool", "aws:SecureTransport", ("false",)),),
        why="A request over plain HTTP.",
        source=_TLS,
    )


_HASHES = "a field is protected by `hash`"
_FUNCTIONS = (
    *_function("${Runtime/TransformRole.Arn}", "${Runtime/TransformLog.Arn}"),
    Right(
        who="${Runtime/TransformRole.Arn}",
        actions=("secretsmanager:GetSecretValue",),
        on=(HASH_KEY,),
        why="It reads the key with which it hashes protected fields, once as it starts.",
        source=f"{DOCS}secretsmanager/latest/userguide/retrieving-secrets.html",
        holds=_hashes,
        holds_when=_HASHES,
    ),
    Right(
        who="${Runtime/TransformRole.Arn}",
        actions=("kms:Decrypt",),
        on=(KEY,),
        conditions=(
            via("secretsmanager"),
            Condition("StringEquals", "kms:EncryptionContext:SecretARN", (HASH_KEY,)),
        ),
        why="Secrets Manager uses the key with its caller's rights, only for this secret.",
        source=f"{DOCS}secretsmanager/latest/userguide/security-encryption.html",
        holds=_hashes,
        holds_when=_HASHES,
    ),
    *_function("${Runtime/ApiRole.Arn}", "${Runtime/ApiLog.Arn}", has_api, HAS_API),
    Right(
        who="${Runtime/ApiRole.Arn}",
        actions=(
            "dynamodb:BatchWriteItem",
            "dynamodb:DeleteItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Scan",
        ),
        on=("<table>",),
        why="What the API's routes do: write, read, delete and list records.",
        source=f"{DOCS}amazondynamodb/latest/developerguide/api-permissions-reference.html",
        holds=has_api,
        holds_when=HAS_API,
    ),
    Right(
        who="${Runtime/ApiRole.Arn}",
        actions=_KEY_USE,
        on=("<table key>",),
        conditions=(via("dynamodb"),),
        why="DynamoDB uses the table's key with its caller's rights.",
        source=f"{DOCS}amazondynamodb/latest/developerguide/encryption.usagenotes.html",
        holds=_api_has_table_key,
        holds_when=f"{HAS_API}, and the table has a customer key",
    ),
    Right(
        who=IAM_CALLERS,
        actions=("execute-api:Invoke",),
        on=("${RestAPI}",),
        why="Every route needs a signed request; who may sign is for the account's own policies.",
        source=f"{DOCS}apigateway/latest/developerguide/permissions.html",
        holds=has_api,
        holds_when=HAS_API,
    ),
    Right(
        who="apigateway.amazonaws.com",
        actions=("lambda:InvokeFunction",),
        on=("${APIHandler}",),
        conditions=(Condition("ArnLike", "aws:SourceArn", (arn("execute-api", "${RestAPI}/*"),)),),
        why="The API calls its function, only for requests of this API.",
        source=f"{DOCS}lambda/latest/dg/services-apigateway.html",
        holds=has_api,
        holds_when=HAS_API,
    ),
)

_COMPACTS = "`compaction` is not `off`"
_COMPACT_ROLE = "${Runtime/CompactRole.Arn}"
_ATHENA_ACCESS = f"{DOCS}athena/latest/ug/managed-policies.html"


def _compact_right(*actions: str, on: tuple[str, ...], why: str) -> Right:
    """What Athena and Glue do on behalf of the function that compacts."""
    return Right(
        who=_COMPACT_ROLE,
        actions=actions,
        on=on,
        conditions=OF_THE_BUCKET if actions[0].startswith("kms:") else (),
        why=why,
        source=_ATHENA_ACCESS,
        holds=_compacts,
        holds_when=_COMPACTS,
    )


_COMPACTION = (
    *_function(_COMPACT_ROLE, "${Runtime/CompactLog.Arn}", _compacts, _COMPACTS),
    Right(
        who="events.amazonaws.com",
        actions=("lambda:InvokeFunction",),
        on=("${Compact}",),
        conditions=(
            Condition("ArnLike", "aws:SourceArn", (arn("events", "rule/<stack>-compact"),)),
        ),
        why="The schedule calls the function that compacts.",
        source=f"{DOCS}eventbridge/latest/userguide/eb-use-resource-based.html",
        holds=_scheduled,
        holds_when="`compaction` is `hourly` or `daily`",
    ),
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
)

_PIPE = only(
    by_pipe,
    BY_PIPE,
    Right(
        who="pipes.amazonaws.com",
        actions=("sts:AssumeRole",),
        on=("${Pipe/Role.Arn}",),
        conditions=(
            _THIS_ACCOUNT,
            Condition("ArnLike", "aws:SourceArn", (arn("pipes", "pipe/*"),)),
        ),
        why="The pipe works under its role. Its name is made after the role, so any pipe of the "
        "account passes that somebody may give the role to (`iam:PassRole`).",
        source=_PIPE_ACCESS,
    ),
    Right(
        who="${Pipe/Role.Arn}",
        actions=_READ_STREAM,
        on=("<stream>",),
        why="It reads the table's stream.",
        source=_PIPE_ACCESS,
    ),
    Right(
        who="${Pipe/Role.Arn}",
        actions=("firehose:PutRecord", "firehose:PutRecordBatch"),
        on=(STREAM,),
        why="It puts changes into the delivery stream.",
        source=_PIPE_ACCESS,
    ),
    Right(
        who="${Pipe/Role.Arn}",
        actions=("sqs:SendMessage",),
        on=(QUEUE,),
        why="It leaves a dead letter where it had to give up.",
        source=f"{DOCS}eventbridge/latest/userguide/eb-pipes-dynamodb.html",
    ),
    Right(
        who="${Pipe/Role.Arn}",
        actions=("kms:Decrypt", "kms:GenerateDataKey"),
        on=(KEY,),
        why="Firehose asks both of whoever puts into a stream with a customer key, and SQS of "
        "whoever sends to an encrypted queue.",
        source=FIREHOSE_ENCRYPTION,
    ),
    Right(
        who="${Pipe/Role.Arn}",
        actions=("kms:Decrypt",),
        on=("<table key>",),
        why="A table's stream is encrypted with the key of its table.",
        source=f"{DOCS}eventbridge/latest/userguide/eb-pipes-error-troubleshooting.html",
        holds=has_table_key,
        holds_when="the table has a customer key",
    ),
)

_FEED_ROLE = "${FunctionFeed/Role.Arn}"
_FEED_FAILURES = f"{DOCS}lambda/latest/dg/services-dynamodb-errors.html"
_FEED = only(
    by_function,
    BY_FUNCTION,
    *_function(_FEED_ROLE, "${FunctionFeed/Log.Arn}"),
    Right(
        who=_FEED_ROLE,
        actions=_READ_STREAM,
        on=("<stream>",),
        why="Lambda reads the table's stream for it.",
        source=f"{DOCS}lambda/latest/dg/with-ddb.html",
    ),
    Right(
        who=_FEED_ROLE,
        actions=("firehose:PutRecordBatch",),
        on=(STREAM,),
        why="It puts changes into the delivery stream.",
        source=f"{DOCS}service-authorization/latest/reference/list_amazonkinesisfirehose.html",
    ),
    Right(
        who=_FEED_ROLE,
        actions=("s3:PutObject",),
        on=(f"{BUCKET}/{FEED_FAILURES}*",),
        why="What is given up is kept there: by Lambda, or by the function itself.",
        source=_FEED_FAILURES,
    ),
    Right(
        who=_FEED_ROLE,
        actions=("s3:ListBucket",),
        on=(BUCKET,),
        why="Lambda asks it of who has a bucket for what is given up.",
        source=_FEED_FAILURES,
    ),
    Right(
        who=_FEED_ROLE,
        actions=("kms:Decrypt", "kms:GenerateDataKey"),
        on=(KEY,),
        why="Firehose asks both of whoever puts into a stream with a customer key, and S3 the "
        "second of whoever writes an object.",
        source=FIREHOSE_ENCRYPTION,
    ),
    Right(
        who=_FEED_ROLE,
        actions=("kms:Decrypt",),
        on=("<table key>",),
        why="A table's stream is encrypted with the key of its table.",
        source=f"{DOCS}amazondynamodb/latest/developerguide/encryption.usagenotes.html",
        holds=has_table_key,
        holds_when="the table has a customer key",
    ),
)

_DELIVERY = (
    Right(
        who="firehose.amazonaws.com",
        actions=("sts:AssumeRole",),
        on=("${Delivery/Role.Arn}",),
        conditions=(Condition("StringEquals", "sts:ExternalId", (ACCOUNT,)),),
        why="The stream works under its role; Firehose names the stream's account as external id.",
        source=_FIREHOSE_EXTERNAL_ID,
    ),
    Right(
        who="${Delivery/Role.Arn}",
        actions=("s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"),
        on=(BUCKET,),
        why="It finds the bucket and its own unfinished uploads.",
        source=f"{_FIREHOSE_ACCESS}#using-iam-s3",
    ),
    Right(
        who="${Delivery/Role.Arn}",
        actions=("s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"),
        on=(f"{BUCKET}/data/*", f"{BUCKET}/errors/*"),
        why="It writes objects of names it chooses below two prefixes. It cannot delete any.",
        source=f"{_FIREHOSE_ACCESS}#using-iam-s3",
    ),
    Right(
        who="${Delivery/Role.Arn}",
        actions=("kms:Decrypt", "kms:GenerateDataKey"),
        on=(KEY,),
        conditions=OF_THE_BUCKET,
        why="S3 encrypts what it writes, only for this bucket.",
        source=f"{_FIREHOSE_ACCESS}#using-iam-s3",
    ),
    Right(
        who="${Delivery/Role.Arn}",
        actions=("lambda:GetFunctionConfiguration", "lambda:InvokeFunction"),
        on=("${Transform.Arn}", "${Transform.Arn}:$LATEST"),
        why="It has its batches transformed.",
        source=f"{_FIREHOSE_ACCESS}#using-iam-s3",
    ),
    Right(
        who="${Delivery/Role.Arn}",
        actions=("logs:PutLogEvents",),
        on=("${Delivery/Log.Arn}",),
        why="It logs what it could not deliver, into a log stream that exists.",
        source=f"{_FIREHOSE_ACCESS}#using-iam-s3",
    ),
    Right(
        who="${Delivery/Role.Arn}",
        actions=("glue:GetTable", "glue:GetTableVersion", "glue:GetTableVersions"),
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

_RESOURCES = (
    Right(
        who="arn:${AWS::Partition}:iam::${AWS::AccountId}:root",
        actions=("kms:*",),
        on=(KEY,),
        why="The key leaves it to the account's own policies who else may use or manage it.",
        source=f"{DOCS}kms/latest/developerguide/key-policy-default.html",
    ),
    Right(
        who="logs.${AWS::Region}.amazonaws.com",
        actions=_KEY_USE,
        on=(KEY,),
        conditions=(
            Condition(
                "ArnLike",
                "kms:EncryptionContext:aws:logs:arn",
                (
                    arn("logs", "log-group:<stack>-*"),
                    arn("logs", "log-group:/aws/vendedlogs/pipes/<stack>"),
                ),
            ),
        ),
        why="CloudWatch Logs encrypts the log groups of this stack.",
        source=f"{DOCS}AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html",
    ),
    Right(
        who="cloudwatch.amazonaws.com",
        actions=("kms:Decrypt", "kms:GenerateDataKey"),
        on=(KEY,),
        conditions=_ALARMS_OF_THE_STACK,
        why="Alarms notify a topic that is encrypted.",
        source=f"{DOCS}sns/latest/dg/sns-key-management.html",
    ),
    Right(
        who="cloudwatch.amazonaws.com",
        actions=("sns:Publish",),
        on=(TOPIC,),
        conditions=_ALARMS_OF_THE_STACK,
        why="Alarms of this stack notify their topic.",
        source=f"{DOCS}sns/latest/dg/sns-access-policy-use-cases.html",
    ),
    Right(
        who=ANYONE,
        actions=("kms:*",),
        on=(KEY,),
        effect="Deny",
        conditions=_FOREIGN,
        why="Callers of other accounts are refused, even where something else allows them.",
        source=_PERIMETER,
    ),
    Right(
        who=ANYONE,
        actions=("s3:*",),
        on=_BUCKET_AND_OBJECTS,
        effect="Deny",
        conditions=_FOREIGN,
        why="Callers of other accounts are refused, even where something else allows them. The "
        "results of queries are in this bucket too.",
        source=_PERIMETER,
    ),
    Right(
        who=ANYONE,
        actions=("s3:*",),
        on=_BUCKET_AND_OBJECTS,
        effect="Deny",
        conditions=(Condition("NumericLessThan", "s3:TlsVersion", ("1.2",)),),
        why="TLS that is out of date.",
        source=f"{DOCS}AmazonS3/latest/userguide/amazon-s3-policy-keys.html",
    ),
    _refuses_plain_http("s3:*", *_BUCKET_AND_OBJECTS),
    _refuses_plain_http("kms:*", KEY),
    *only(by_pipe, BY_PIPE, _refuses_plain_http("sqs:*", QUEUE)),
    _refuses_plain_http("sns:Publish", TOPIC),
)

_EMPTIES = "not `prod`, on AWS"
_EMPTYING_OF_THE_BUCKET = (
    Right(
        who="lambda.amazonaws.com",
        actions=("sts:AssumeRole",),
        on=(EMPTYING,),
        conditions=(_THIS_ACCOUNT,),
        why="The function that empties the bucket of a destroyed stack works under its role.",
        source=_LAMBDA_ROLE,
        holds=_emptied,
        holds_when=_EMPTIES,
    ),
    Right(
        who=EMPTYING,
        actions=("logs:CreateLogStream", "logs:PutLogEvents"),
        on=(EMPTYING_LOG,),
        why="It writes its own log, and cannot make another.",
        source=_LAMBDA_LOGS,
        holds=_emptied,
        holds_when=_EMPTIES,
    ),
    Right(
        who=EMPTYING,
        actions=("s3:DeleteObject*", "s3:GetBucket*", "s3:List*", "s3:PutBucketPolicy"),
        on=_BUCKET_AND_OBJECTS,
        why="The CDK's function deletes every version, and first forbids new objects.",
        source=f"{DOCS}cdk/api/v2/docs/aws-cdk-lib.aws_s3.Bucket.html#autodeleteobjects",
        holds=_emptied,
        holds_when=_EMPTIES,
    ),
)

RIGHTS = (
    *_FUNCTIONS,
    *_COMPACTION,
    *_PIPE,
    *_FEED,
    *_DELIVERY,
    *_RESOURCES,
    *_EMPTYING_OF_THE_BUCKET,
)
"""The table."""
