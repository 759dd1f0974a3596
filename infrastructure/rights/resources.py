"""What resources allow and refuse themselves, and who empties the bucket of a destroyed stack."""

from functools import partial

from infrastructure.access import ANYONE, DOCS, Case, Condition, only, right
from infrastructure.rights.common import KEY_USE, THIS_ACCOUNT, function_rights
from infrastructure.terms import (
    ACCOUNT,
    BUCKET,
    BY_PIPE,
    EMPTYING,
    EMPTYING_LOG,
    KEY,
    QUEUE,
    TOPIC,
    arn,
)

_IAM = f"{DOCS}IAM/latest/UserGuide/"
_ALARMS_OF_THE_STACK = (
    THIS_ACCOUNT,
    Condition("ArnLike", "aws:SourceArn", (arn("cloudwatch", "alarm:<stack>-*"),)),
)
_BUCKET_AND_OBJECTS = (BUCKET, f"{BUCKET}/*")

_refuse_foreign = partial(
    right,
    ANYONE,
    effect="Deny",
    when=(
        Condition("StringNotEquals", "aws:PrincipalAccount", (ACCOUNT,)),
        # AWS's own services pass, which a policy holds to what it allows them. An anonymous request
        # has neither key; without IfExists it would slip through.
        Condition("BoolIfExists", "aws:PrincipalIsAWSService", ("false",)),
    ),
    source=f"{_IAM}access_policies_data-perimeters.html",
)
_refuse_plain_http = partial(
    right,
    ANYONE,
    effect="Deny",
    when=Condition("Bool", "aws:SecureTransport", ("false",)),
    why="A request over plain HTTP.",
    source=f"{_IAM}reference_policies_condition-keys.html#condition-keys-securetransport",
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
        KEY_USE,
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
        "kms:Decrypt kms:GenerateDataKey",
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
    _refuse_foreign(
        "kms:*",
        on=KEY,
        why="Callers of other accounts are refused, even where something else allows them.",
    ),
    _refuse_foreign(
        "s3:*",
        on=_BUCKET_AND_OBJECTS,
        why="Callers of other accounts are refused, even where something else allows them. The "
        "results of queries are in this bucket too.",
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
    _refuse_plain_http("s3:*", on=_BUCKET_AND_OBJECTS),
    _refuse_plain_http("kms:*", on=KEY),
    *only(BY_PIPE, _refuse_plain_http("sqs:*", on=QUEUE)),
    _refuse_plain_http("sns:Publish", on=TOPIC),
)

EMPTYING_OF_THE_BUCKET = only(
    Case(lambda settings: settings.empties_bucket, "not `prod`, on AWS"),
    *function_rights(EMPTYING, EMPTYING_LOG),
    right(
        EMPTYING,
        "s3:DeleteObject* s3:GetBucket* s3:List* s3:PutBucketPolicy",
        on=_BUCKET_AND_OBJECTS,
        why="The CDK's function deletes every version of a destroyed stack's objects, and first "
        "forbids new ones.",
        source=f"{DOCS}cdk/api/v2/docs/aws-cdk-lib.aws_s3.Bucket.html#autodeleteobjects",
    ),
)
