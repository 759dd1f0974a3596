"""Checks an existing table, which a stack is to follow, before anything is deployed.

Only AWS knows. A synthesis may run without its credentials; then it says what it could not ask.
"""

from collections.abc import Iterator, Mapping, Sequence

import boto3
from aws_cdk import Annotations
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from constructs import IConstruct
from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef

from chalicelib.declaration import Key, Table
from chalicelib.errors import SluiceError
from infrastructure.settings import ExistingTable

VIEW_TYPE = "NEW_AND_OLD_IMAGES"
CLIENT_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2})


class NotAskedError(SluiceError):
    """AWS could not be asked; the message says why."""


def check(
    table: ExistingTable, declared: Table, construct: IConstruct, environment: Mapping[str, str]
) -> None:
    """Annotate a construct with the reasons for refusing the table.

    An error stops `cdk deploy` before anything is made, and leaves `cdk destroy` untouched. The
    environment is the one that the CDK command line gives its app.
    """
    annotations = Annotations.of(construct)
    for error in _wrong_place(table, environment):
        annotations.add_error(error)
    try:
        for error in refusals(table, declared):
            annotations.add_error(error)
    except NotAskedError as reason:
        annotations.add_warning_v2(
            "sluice:unchecked-table",
            f"Whether the table {table.name} can be followed was not checked: {reason}.",
        )


def _wrong_place(table: ExistingTable, environment: Mapping[str, str]) -> list[str]:
    account = environment.get("CDK_DEFAULT_ACCOUNT")
    region = environment.get("CDK_DEFAULT_REGION")
    # Without credentials the command line gives no account, and a region of its own choice.
    if not account or (account, region) == (table.account, table.region):
        return []
    return [
        f"The table {table.name} is in {table.region} of account {table.account}, but the "
        f"deployment goes to {region} of account {account}, and a pipe reads no stream of another "
        "place. Deploy with credentials and the region of the table, or attach a table of this "
        "place."
    ]


def refusals(table: ExistingTable, declared: Table) -> Iterator[str]:
    """Yield the reasons for refusing the table. Raises NotAskedError, maybe after some."""
    session = boto3.Session(region_name=table.region)
    if session.get_credentials() is None:
        raise NotAskedError("there are no AWS credentials")
    try:
        client = session.client("dynamodb", config=CLIENT_CONFIG)
        described = client.describe_table(TableName=table.arn)["Table"]
        yield from _key_refusals(table, declared, described)
        yield from _stream_refusals(table, described)
        yield from _encryption_refusals(table, described, session)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code != "ResourceNotFoundException":
            raise NotAskedError(f"AWS answered {error.operation_name} with {code}") from None
        yield (
            f"There is no table {table.arn}. Pass the name and the stream of one that exists, as "
            "`aws dynamodb describe-table` shows them."
        )
    except BotoCoreError as error:
        raise NotAskedError(f"AWS could not be asked ({error})") from None


def _key_refusals(
    table: ExistingTable, declared: Table, described: TableDescriptionTypeDef
) -> list[str]:
    types = {
        each["AttributeName"]: each["AttributeType"] for each in described["AttributeDefinitions"]
    }
    parts = sorted(described["KeySchema"], key=lambda part: part["KeyType"])  # HASH, then RANGE.
    key = tuple(Key(part["AttributeName"], types[part["AttributeName"]]) for part in parts)
    if key == declared.key:
        return []
    spelt = ", ".join(f'Key("{part.name}", "{part.type}")' for part in key)
    return [
        f"The table {table.name} has the key {_shown(key)}, but the declaration has "
        f"{_shown(declared.key)}. Name the declaration of this table with `-c schema=FILE`: one "
        f"with `key=({spelt},)`, as `sluice init --from-table {table.name}` writes it."
    ]


def _shown(key: Sequence[Key]) -> str:
    return " and ".join(f"{part.name} ({part.type})" for part in key)


def _stream_refusals(table: ExistingTable, described: TableDescriptionTypeDef) -> list[str]:
    name = table.name
    update = f"`aws dynamodb update-table --table-name {name} --stream-specification"
    specification = described.get("StreamSpecification")
    if not specification or not specification["StreamEnabled"]:
        return [
            f"The stream of the table {name} is off. Turn it on with {update} "
            f"StreamEnabled=true,StreamViewType={VIEW_TYPE}` and pass its LatestStreamArn."
        ]
    view_type = specification.get("StreamViewType")
    if view_type != VIEW_TYPE:
        return [
            f"The stream of the table {name} carries {view_type}, but a change needs both images: "
            f"{VIEW_TYPE}. AWS cannot change that of a stream. Turn it off with {update} "
            "StreamEnabled=false`, on again with StreamEnabled=true,"
            f"StreamViewType={VIEW_TYPE}, and pass the new LatestStreamArn; other readers of the "
            "stream need it too."
        ]
    latest = described.get("LatestStreamArn")
    if latest != table.stream_arn:
        return [
            f"{table.stream_arn} is not the stream that the table {name} writes now, which is "
            f"{latest}. Pass that with `-c table_stream_arn=...`."
        ]
    return []


def _encryption_refusals(
    table: ExistingTable, described: TableDescriptionTypeDef, session: boto3.Session
) -> list[str]:
    name, given = table.name, table.key_arn
    actual = described.get("SSEDescription", {}).get("KMSMasterKeyArn")
    if actual == given:
        return []
    if actual is None:
        return [
            f"The table {name} is encrypted with no customer key, but table_key_arn is {given}. "
            "Leave that setting out."
        ]
    if given is None:
        keys = session.client("kms", config=CLIENT_CONFIG)
        if keys.describe_key(KeyId=actual)["KeyMetadata"]["KeyManager"] == "AWS":
            return []
    return [
        f"The table {name} is encrypted with the customer key {actual}, which the pipe and the API "
        f"must be allowed to use. Pass `-c table_key_arn={actual}`; the key's policy must leave "
        "permissions to the account's IAM policies, as it does by default."
    ]
