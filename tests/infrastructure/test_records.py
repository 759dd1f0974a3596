"""The table of records."""

from typing import Any

from chalicelib.schema import KEY

TABLE = "Records/Table"


def test_the_table_is_keyed_by_the_schemas_key(dev: Any):
    assert dev[TABLE]["KeySchema"] == [{"AttributeName": KEY, "KeyType": "HASH"}]
    assert dev[TABLE]["AttributeDefinitions"] == [{"AttributeName": KEY, "AttributeType": "S"}]


def test_the_table_is_paid_by_request(dev: Any):
    assert dev[TABLE]["BillingMode"] == "PAY_PER_REQUEST"


def test_the_stream_carries_both_images(dev: Any):
    assert dev[TABLE]["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}


def test_the_table_is_encrypted_with_the_key(dev: Any):
    assert dev[TABLE]["SSESpecification"] == {
        "KMSMasterKeyId": "${Encryption/Key.Arn}",
        "SSEEnabled": True,
        "SSEType": "KMS",
    }


def test_the_table_has_a_known_name_on_the_emulator_alone(dev: Any, local: Any):
    assert local[TABLE]["TableName"] == "sluice-local-records"
    assert "TableName" not in dev[TABLE]


def test_prod_can_restore_any_second_and_refuses_deletion(prod: Any):
    assert prod[TABLE]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert prod[TABLE]["DeletionProtectionEnabled"] is True


def test_dev_can_be_thrown_away(dev: Any):
    assert dev[TABLE]["DeletionProtectionEnabled"] is False
