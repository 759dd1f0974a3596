"""An existing table is followed only if it can be: asked of real tables in the emulator."""

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest

from chalicelib.declaration import Key, Table
from chalicelib.schema import TABLE
from infrastructure.attachment import NotAskedError, refusals
from infrastructure.settings import ExistingTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MakeTable = Callable[..., ExistingTable]
BOTH_IMAGES: Any = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
PLACE = "arn:aws:dynamodb:us-east-1:000000000000"
ANOTHER_KEY = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
SOME_STREAM = f"{PLACE}:table/some-table/stream/2026-01-31T12:00:00.000"


def refused(table: ExistingTable) -> Iterator[str]:
    """The reasons for refusing a table, with the declaration that ships."""
    return refusals(table, TABLE)


@pytest.fixture(autouse=True)
def asked_of_the_emulator(aws_environment: pytest.MonkeyPatch, emulator: str) -> None:
    aws_environment.setenv("AWS_ENDPOINT_URL", emulator)


@pytest.fixture
def make_existing(dynamodb: "DynamoDBClient") -> Iterator[MakeTable]:
    """Makes a table that can be followed, but for what is asked otherwise."""
    with ExitStack() as tables:

        def make(
            stream: dict[str, Any] | None = None, keys: dict[str, str] | None = None, **more: Any
        ) -> ExistingTable:
            name = f"existing-{uuid.uuid4()}"
            keys = keys or {"id": "S"}
            described = cast(Any, dynamodb).create_table(
                TableName=name,
                KeySchema=[
                    {"AttributeName": key, "KeyType": kind}
                    for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
                ],
                AttributeDefinitions=[
                    {"AttributeName": key, "AttributeType": type_} for key, type_ in keys.items()
                ],
                BillingMode="PAY_PER_REQUEST",
                StreamSpecification=stream or BOTH_IMAGES,
                **more,
            )["TableDescription"]
            tables.callback(dynamodb.delete_table, TableName=name)
            unstreamed = f"{described['TableArn']}/stream/2026-01-31T12:00:00.000"
            return ExistingTable(name, described.get("LatestStreamArn", unstreamed), None)

        yield make


def test_a_table_of_records_with_a_stream_of_both_images_can_be_followed(
    make_existing: MakeTable,
) -> None:
    assert not list(refused(make_existing()))


def test_a_table_that_is_not_there_is_refused_by_its_arn() -> None:
    (refusal,) = refused(ExistingTable("some-table", SOME_STREAM, None))
    assert f"There is no table {PLACE}:table/some-table" in refusal


def test_a_stream_that_is_off_is_refused_with_the_command_that_turns_it_on(
    make_existing: MakeTable,
) -> None:
    table = make_existing({"StreamEnabled": False})
    (refusal,) = refused(table)
    assert f"The stream of the table {table.name} is off" in refusal
    assert f"update-table --table-name {table.name}" in refusal
    assert "StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES" in refusal


@pytest.mark.parametrize("view_type", ["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE"])
def test_a_stream_without_both_images_is_refused(make_existing: MakeTable, view_type: str) -> None:
    (refusal,) = refused(make_existing({"StreamEnabled": True, "StreamViewType": view_type}))
    assert f"carries {view_type}" in refusal
    assert "NEW_AND_OLD_IMAGES" in refusal


def test_a_stream_that_the_table_has_left_behind_is_refused_with_the_one_it_writes_now(
    make_existing: MakeTable, dynamodb: "DynamoDBClient"
) -> None:
    old = make_existing()
    dynamodb.update_table(TableName=old.name, StreamSpecification={"StreamEnabled": False})
    dynamodb.update_table(TableName=old.name, StreamSpecification=BOTH_IMAGES)
    latest = dynamodb.describe_table(TableName=old.name)["Table"]["LatestStreamArn"]
    assert latest != old.stream_arn
    (refusal,) = refused(old)
    assert f"{old.stream_arn} is not the stream" in refusal
    assert latest in refusal


KEYS = [
    ({"customer": "S"}, "customer (S)"),
    ({"id": "N"}, "id (N)"),
    ({"id": "B"}, "id (B)"),
    ({"id": "S", "placedAt": "N"}, "id (S) and placedAt (N)"),
]


@pytest.mark.parametrize(("keys", "shown"), KEYS)
def test_a_table_with_another_key_than_the_declared_one_is_refused(
    make_existing: MakeTable, keys: dict[str, str], shown: str
) -> None:
    (refusal,) = refused(make_existing(keys=keys))
    assert f"has the key {shown}, but the declaration has id (S)" in refusal
    assert "-c schema=FILE" in refusal


@pytest.mark.parametrize(("keys", "shown"), KEYS)
def test_the_key_that_the_refusal_names_is_one_that_can_be_declared(
    make_existing: MakeTable, keys: dict[str, str], shown: str
) -> None:
    table = make_existing(keys=keys)
    (refusal,) = refused(table)
    (advice,) = re.findall(r"`key=(\(.*?\))`", refusal)
    key = eval(advice, {"Key": Key})  # noqa: S307 - what a person would paste.
    assert not list(refusals(table, Table(key=key)))
    (refusal,) = refusals(table, Table(key=(Key("other"),)))
    assert shown in refusal


def test_the_order_of_the_keys_parts_counts(make_existing: MakeTable) -> None:
    table = make_existing(keys={"pk": "S", "sk": "S"})
    assert not list(refusals(table, Table(key=(Key("pk"), Key("sk")))))
    (refusal,) = refusals(table, Table(key=(Key("sk"), Key("pk"))))
    assert "has the key pk (S) and sk (S), but the declaration has sk (S) and pk (S)" in refusal


def test_every_reason_is_reported_at_once(make_existing: MakeTable) -> None:
    found = list(refused(make_existing({"StreamEnabled": False}, keys={"customer": "S"})))
    assert len(found) == 2


@pytest.fixture
def key_arn(emulator: str) -> str:
    keys = boto3.client("kms", endpoint_url=emulator)
    return keys.create_key()["KeyMetadata"]["Arn"]


@pytest.fixture
def encrypted(make_existing: MakeTable, key_arn: str) -> ExistingTable:
    """A table with a customer key, as one names it who does not know of the key."""
    return make_existing(
        SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key_arn}
    )


def test_an_encrypted_table_can_be_followed_with_its_key(
    encrypted: ExistingTable, key_arn: str
) -> None:
    assert not list(refused(replace(encrypted, key_arn=key_arn)))


@pytest.mark.parametrize("given", [None, ANOTHER_KEY])
def test_an_encrypted_table_is_refused_without_its_key(
    encrypted: ExistingTable, key_arn: str, given: str | None
) -> None:
    (refusal,) = refused(replace(encrypted, key_arn=given))
    assert f"-c table_key_arn={key_arn}" in refusal


def test_a_key_for_a_table_that_has_none_is_refused(make_existing: MakeTable) -> None:
    (refusal,) = refused(replace(make_existing(), key_arn=ANOTHER_KEY))
    assert "encrypted with no customer key" in refusal


def test_without_credentials_nobody_is_asked(aws_environment: pytest.MonkeyPatch) -> None:
    aws_environment.delenv("AWS_ACCESS_KEY_ID")
    aws_environment.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(NotAskedError, match="no AWS credentials"):
        list(refused(ExistingTable("some-table", SOME_STREAM, None)))


def test_an_aws_that_does_not_answer_is_no_refusal(
    aws_environment: pytest.MonkeyPatch, closed_endpoint: str
) -> None:
    aws_environment.setenv("AWS_ENDPOINT_URL", closed_endpoint)
    with pytest.raises(NotAskedError, match="could not be asked"):
        list(refused(ExistingTable("some-table", SOME_STREAM, None)))


def test_a_table_that_may_not_be_asked_about_is_no_refusal(
    aws_environment: pytest.MonkeyPatch, scripted_dynamodb: Callable[..., str]
) -> None:
    denied = (400, {"__type": "com.amazon.coral.service#AccessDeniedException"})
    aws_environment.setenv("AWS_ENDPOINT_URL", scripted_dynamodb(lambda *_: denied))
    with pytest.raises(NotAskedError, match="DescribeTable with AccessDeniedException"):
        list(refused(ExistingTable("some-table", SOME_STREAM, None)))


def test_a_deployment_is_refused_before_anything_is_made(
    cdk: Any, emulator: str, tmp_path: Path
) -> None:
    run = cdk(
        *("deploy", "--require-approval", "never", "--output", str(tmp_path)),
        *("-c", "stage=refused", "-c", "target=local"),
        *("-c", "table_name=some-table", "-c", f"table_stream_arn={SOME_STREAM}"),
        AWS_ENDPOINT_URL=emulator,
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="eu-west-1",
        AWS_REGION="eu-west-1",
    )
    shown = run.stdout + run.stderr
    assert run.returncode != 0
    assert f"There is no table {PLACE}:table/some-table" in shown
    assert "the deployment goes to eu-west-1" in shown
    assert "Traceback" not in shown
