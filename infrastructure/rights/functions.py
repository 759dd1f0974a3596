"""The rights of the transform, and of the API with its function."""

from infrastructure.access import DOCS, IAM_CALLERS, Case, Condition, only, right
from infrastructure.rights.common import KEY_USE, function_rights
from infrastructure.terms import (
    DYNAMODB_ENCRYPTION,
    HAS_API,
    HAS_TABLE_KEY,
    HASH_KEY,
    KEY,
    arn,
    via,
)

FUNCTIONS = (
    *function_rights("${Runtime/TransformRole.Arn}", "${Runtime/TransformLog.Arn}"),
    *only(
        Case(lambda settings: settings.table.hashes, "a field is protected by `hash`"),
        right(
            "${Runtime/TransformRole.Arn}",
            "secretsmanager:GetSecretValue",
            on=HASH_KEY,
            why="It reads the key with which it hashes protected fields, once as it starts.",
            source=f"{DOCS}secretsmanager/latest/userguide/retrieving-secrets.html",
        ),
        right(
            "${Runtime/TransformRole.Arn}",
            "kms:Decrypt",
            on=KEY,
            when=(
                via("secretsmanager"),
                Condition("StringEquals", "kms:EncryptionContext:SecretARN", (HASH_KEY,)),
            ),
            why="Secrets Manager uses the key with its caller's rights, only for this secret.",
            source=f"{DOCS}secretsmanager/latest/userguide/security-encryption.html",
        ),
    ),
    *only(
        HAS_API,
        *function_rights("${Runtime/ApiRole.Arn}", "${Runtime/ApiLog.Arn}"),
        right(
            "${Runtime/ApiRole.Arn}",
            "dynamodb:BatchWriteItem dynamodb:DeleteItem dynamodb:GetItem dynamodb:PutItem "
            "dynamodb:Scan",
            on="<table>",
            why="What the API's routes do: write, read, delete and list records.",
            source=f"{DOCS}amazondynamodb/latest/developerguide/api-permissions-reference.html",
        ),
        right(
            "${Runtime/ApiRole.Arn}",
            KEY_USE,
            on="<table key>",
            when=via("dynamodb"),
            why="DynamoDB uses the table's key with its caller's rights.",
            source=DYNAMODB_ENCRYPTION,
            case=HAS_TABLE_KEY,
        ),
        right(
            IAM_CALLERS,
            "execute-api:Invoke",
            on="${RestAPI}",
            why="Every route needs a signed request; who may sign is for the account's own "
            "policies.",
            source=f"{DOCS}apigateway/latest/developerguide/permissions.html",
        ),
        right(
            "apigateway.amazonaws.com",
            "lambda:InvokeFunction",
            on="${APIHandler}",
            when=Condition("ArnLike", "aws:SourceArn", (arn("execute-api", "${RestAPI}/*"),)),
            why="The API calls its function, only for requests of this API.",
            source=f"{DOCS}lambda/latest/dg/services-apigateway.html",
        ),
    ),
)
