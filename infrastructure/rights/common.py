"""What the rows of several parts share."""

from infrastructure.access import DOCS, Condition, Right, right
from infrastructure.terms import ACCOUNT

KEY_USE = (
    "kms:Decrypt kms:DescribeKey kms:Encrypt kms:GenerateDataKey "
    "kms:GenerateDataKeyWithoutPlaintext kms:ReEncryptFrom kms:ReEncryptTo"
)
"""The actions of a service on a key on its caller's behalf."""

READ_STREAM = (
    "dynamodb:DescribeStream dynamodb:GetRecords dynamodb:GetShardIterator dynamodb:ListStreams"
)
"""The actions of a service that follows a table's stream."""

THIS_ACCOUNT = Condition("StringEquals", "aws:SourceAccount", (ACCOUNT,))


def function_rights(role: str, log: str) -> tuple[Right, Right]:
    """Return what each function of this role and log needs to work at all."""
    return (
        right(
            "lambda.amazonaws.com",
            "sts:AssumeRole",
            on=role,
            when=THIS_ACCOUNT,
            why="The functions work under a role each.",
            source=f"{DOCS}lambda/latest/dg/lambda-intro-execution-role.html",
        ),
        right(
            role,
            "logs:CreateLogStream logs:PutLogEvents",
            on=log,
            why="A function writes its own log, and cannot make another.",
            source=f"{DOCS}lambda/latest/dg/monitoring-cloudwatchlogs.html",
        ),
    )
