"""The table of records."""

from typing import Any

TABLE = "Records/Table"
KEY_ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def test_the_table_has_the_key_that_is_declared(dev: Any, patients: Any) -> None:
    assert dev[TABLE]["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert dev[TABLE]["AttributeDefinitions"] == [{"AttributeName": "id", "AttributeType": "S"}]
    assert patients[TABLE]["KeySchema"] == [
        {"AttributeName": "patient", "KeyType": "HASH"},
        {"AttributeName": "takenAt", "KeyType": "RANGE"},
    ]
    assert patients[TABLE]["AttributeDefinitions"] == [
        {"AttributeName": "patient", "AttributeType": "S"},
        {"AttributeName": "takenAt", "AttributeType": "N"},
    ]


def test_the_table_is_paid_by_request(dev: Any) -> None:
    assert dev[TABLE]["BillingMode"] == "PAY_PER_REQUEST"


def test_the_stream_carries_both_images(dev: Any) -> None:
    assert dev[TABLE]["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}


def test_the_table_is_encrypted_with_the_key(dev: Any) -> None:
    assert dev[TABLE]["SSESpecification"] == {
        "KMSMasterKeyId": "${Encryption/Key.Arn}",
        "SSEEnabled": True,
        "SSEType": "KMS",
    }


def test_the_table_has_a_known_name_on_the_emulator_alone(dev: Any, local: Any) -> None:
    assert local[TABLE]["TableName"] == "sluice-local-records"
    assert "TableName" not in dev[TABLE]


def test_prod_can_restore_any_second_and_refuses_deletion(prod: Any) -> None:
    assert prod[TABLE]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert prod[TABLE]["DeletionProtectionEnabled"] is True


def test_dev_can_be_thrown_away(dev: Any) -> None:
    assert dev[TABLE]["DeletionProtectionEnabled"] is False


def test_an_existing_table_is_not_the_stacks_to_make_change_or_delete(attached: Any) -> None:
    assert not attached.all("AWS::DynamoDB")
    assert not attached.all("Custom::DynamoDB")


def test_the_pipe_follows_the_stream_of_the_existing_table(attached: Any) -> None:
    stream = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders/stream/2026-01-31T12:00:00.000"
    assert attached["Pipe/Pipe"]["Source"] == stream
    allowed = attached.allowed("Pipe/Role")
    assert allowed[stream] == {
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
    }
    assert allowed[KEY_ARN] == {"kms:Decrypt"}


def test_the_api_writes_into_the_existing_table(attached: Any) -> None:
    assert attached["APIHandler"]["Environment"] == {"Variables": {"TABLE_NAME": "orders"}}
    assert attached.output("TableName") == "orders"
    allowed = attached.allowed("Runtime/ApiRole")
    assert "dynamodb:PutItem" in allowed["arn:aws:dynamodb:eu-west-1:111122223333:table/orders"]
    assert "kms:GenerateDataKey" in allowed[KEY_ARN]
    assert "${Encryption/Key.Arn}" not in allowed


def test_nobody_has_rights_on_more_than_the_existing_table_and_its_stream(attached: Any) -> None:
    for role in attached.all("AWS::IAM::Role"):
        if role.startswith("Custom::"):
            continue
        tables = {name for name in attached.allowed(role) if ":dynamodb:" in name}
        assert all("table/orders" in name and "*" not in name for name in tables)
