"""The bucket."""

from typing import Any

import pytest

BUCKET = "Lake/Bucket"
EMPTYING = "Custom::S3AutoDeleteObjects"
PROVIDER = "Custom::S3AutoDeleteObjectsCustomResourceProvider"


def rule(deployment: Any, name: str) -> Any:
    rules = deployment[BUCKET]["LifecycleConfiguration"]["Rules"]
    (found,) = [rule for rule in rules if rule["Id"] == name]
    assert found["Status"] == "Enabled"
    return found


def test_objects_are_encrypted_with_the_key_through_a_bucket_key(dev: Any) -> None:
    (encryption,) = dev[BUCKET]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["BucketKeyEnabled"] is True
    assert encryption["ServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": "${Encryption/Key.Arn}",
    }


def test_nothing_is_public(dev: Any) -> None:
    assert set(dev[BUCKET]["PublicAccessBlockConfiguration"].values()) == {True}
    assert dev[BUCKET]["OwnershipControls"] == {
        "Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]
    }


def test_connections_without_tls_are_refused(dev: Any) -> None:
    denied = [
        statement
        for statement in dev["Lake/Bucket/Policy"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
    ]
    assert {"Bool": {"aws:SecureTransport": "false"}} in [s["Condition"] for s in denied]
    for statement in denied:
        assert statement["Resource"] == ["${Lake/Bucket.Arn}", "${Lake/Bucket.Arn}/*"]


@pytest.mark.parametrize("kind", ["dev", "prod", "attached", "local"])
def test_no_other_account_reaches_the_bucket_whatever_else_allows_it(
    deployments: Any, kind: str
) -> None:
    policy = deployments[kind]["Lake/Bucket/Policy"]["PolicyDocument"]["Statement"]
    (refusal,) = [each for each in policy if "StringNotEquals" in each.get("Condition", {})]
    assert refusal == {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "s3:*",
        "Resource": ["${Lake/Bucket.Arn}", "${Lake/Bucket.Arn}/*"],
        "Condition": {
            "StringNotEquals": {"aws:PrincipalAccount": "${AWS::AccountId}"},
            "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
        },
    }


def test_old_versions_expire_as_the_settings_say(dev: Any, prod: Any) -> None:
    assert dev[BUCKET]["VersioningConfiguration"] == {"Status": "Enabled"}
    assert rule(dev, "old-versions")["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert rule(prod, "old-versions")["NoncurrentVersionExpiration"] == {"NoncurrentDays": 8}


def test_uploads_that_were_never_completed_are_aborted(dev: Any) -> None:
    assert rule(dev, "old-versions")["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}


def test_errors_alone_replayed_or_not_expire_as_the_settings_say(dev: Any, prod: Any) -> None:
    for name in ("errors", "errors-replayed"):
        assert rule(dev, name)["Prefix"] == f"{name}/"
        assert rule(dev, name)["ExpirationInDays"] == 90
        assert rule(prod, name)["ExpirationInDays"] == 7
    assert "ExpirationInDays" not in rule(dev, "old-versions")


def test_requests_below_errors_alone_are_counted(dev: Any) -> None:
    assert dev[BUCKET]["MetricsConfigurations"] == [{"Id": "errors", "Prefix": "errors/"}]


def test_a_destroyed_dev_stage_empties_its_bucket(dev: Any) -> None:
    (emptying,) = dev.all(EMPTYING).values()
    assert emptying["Properties"]["BucketName"] == "${Lake/Bucket}"


def test_prod_keeps_its_objects(prod: Any) -> None:
    assert not prod.all(EMPTYING)


def test_the_emulator_is_spared_the_function_it_cannot_run(local: Any) -> None:
    assert not local.all(EMPTYING)


def test_the_function_that_empties_the_bucket_leaves_no_log_group_behind(dev: Any) -> None:
    assert dev[f"{PROVIDER}/Handler"]["LoggingConfig"] == {"LogGroup": "${Lake/EmptyingLog}"}
    assert dev.allowed(f"{PROVIDER}/Role") == {
        "${Lake/EmptyingLog.Arn}": {"logs:CreateLogStream", "logs:PutLogEvents"}
    }
