"""What resources allow and refuse themselves, and who empties the bucket of a destroyed stack."""

from infrastructure.access import ANYONE, Condition, Right, only, right
from infrastructure.rights.common import KEY_USE, LAMBDA_LOGS, LAMBDA_ROLE, THIS_ACCOUNT
from infrastructure.settings import DeploymentSettings
from infrastructure.terms import (
    ACCOUNT,
    BUCKET,
    BY_PIPE,
    DOCS,
    EMPTYING,
    EMPTYING_LOG,
    KEY,
    QUEUE,
    TOPIC,
    arn,
    by_pipe,
)

_IAM = f"{DOCS}IAM/latest/UserGuide/"
_PERIMETER = f"{_IAM}access_policies_data-perimeters.html"
_TLS = f"{_IAM}reference_policies_condition-keys.html#condition-keys-securetransport"


_ALARMS_OF_THE_STACK = (
    THIS_ACCOUNT,
    Condition("ArnLike", "aws:SourceArn", (arn("cloudwatch", "alarm:<stack>-*"),)),
)
_FOREIGN = (
    Condition("StringNotEquals", "aws:PrincipalAccount", (ACCOUNT,)),
    Condition("BoolIfExists", "aws:PrincipalIsAWSService", ("false",)),
)
_BUCKET_AND_OBJECTS = (BUCKET, f"{BUCKET}/*")


def _emptied(settings: DeploymentSettings) -> bool:
    return not settings.retains_data and settings.target == "aws"


def _refuses_plain_http(action: str, *on: str) -> Right:
    return right(
        ANYONE,
        action,
        on=on,
        effect="Deny",
        when=Condition("Bool", "aws:SecureTransport", ("false",)),
        why="A request over plain HTTP.",
        source=_TLS,
    )


RESOURCES = (
    right(
        "arn:${AWS::Partition}:iam::${AWS::AccountId}:root",
        "kms:*",
        on=KEY,
        why="The key leaves it to the account's own policies who else may use or manage it.",
        source=f"{DOCS}kms/latest/developerguide/key-policy-default.html",
    ),
    right(
        "logs.${AWS::Region}.amazonaws.com",
        *KEY_USE,
        on=KEY,
        when=Condition(
            "ArnLike",
            "kms:EncryptionContext:aws:logs:arn",
            (
                arn("logs", "log-group:<stack>-*"),
                arn("logs", "log-group:/aws/vendedlogs/pipes/<stack>"),
            ),
        ),
        why="CloudWatch Logs encrypts the log groups of this stack.",
        source=f"{DOCS}AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html",
    ),
    right(
        "cloudwatch.amazonaws.com",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        on=KEY,
        when=_ALARMS_OF_THE_STACK,
        why="Alarms notify a topic that is encrypted.",
        source=f"{DOCS}sns/latest/dg/sns-key-management.html",
    ),
    right(
        "cloudwatch.amazonaws.com",
        "sns:Publish",
        on=TOPIC,
        when=_ALARMS_OF_THE_STACK,
        why="Alarms of this stack notify their topic.",
        source=f"{DOCS}sns/latest/dg/sns-access-policy-use-cases.html",
    ),
    right(
        ANYONE,
        "kms:*",
        on=KEY,
        effect="Deny",
        when=_FOREIGN,
        why="Callers of other accounts are refused, even where something else allows them.",
        source=_PERIMETER,
    ),
    right(
        ANYONE,
        "s3:*",
        on=_BUCKET_AND_OBJECTS,
        effect="Deny",
        when=_FOREIGN,
        why="Callers of other accounts are refused, even where something else allows them. The "
        "results of queries are in this bucket too.",
        source=_PERIMETER,
    ),
    right(
        ANYONE,
        "s3:*",
        on=_BUCKET_AND_OBJECTS,
        effect="Deny",
        when=Condition("NumericLessThan", "s3:TlsVersion", ("1.2",)),
        why="TLS that is out of date.",
        source=f"{DOCS}AmazonS3/latest/userguide/amazon-s3-policy-keys.html",
    ),
    _refuses_plain_http("s3:*", *_BUCKET_AND_OBJECTS),
    _refuses_plain_http("kms:*", KEY),
    *only(by_pipe, BY_PIPE, _refuses_plain_http("sqs:*", QUEUE)),
    _refuses_plain_http("sns:Publish", TOPIC),
)

EMPTYING_OF_THE_BUCKET = only(
    _emptied,
    "not `prod`, on AWS",
    right(
        "lambda.amazonaws.com",
        "sts:AssumeRole",
        on=EMPTYING,
        when=THIS_ACCOUNT,
        why="The function that empties the bucket of a destroyed stack works under its role.",
        source=LAMBDA_ROLE,
    ),
    right(
        EMPTYING,
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        on=EMPTYING_LOG,
        why="It writes its own log, and cannot make another.",
        source=LAMBDA_LOGS,
    ),
    right(
        EMPTYING,
        "s3:DeleteObject*",
        "s3:GetBucket*",
        "s3:List*",
        "s3:PutBucketPolicy",
        on=_BUCKET_AND_OBJECTS,
        why="The CDK's function deletes every version, and first forbids new objects.",
        source=f"{DOCS}cdk/api/v2/docs/aws-cdk-lib.aws_s3.Bucket.html#autodeleteobjects",
    ),
)
