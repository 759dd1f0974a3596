"""The keyed hash of protected fields."""

import hashlib
import hmac
import subprocess
import sys
import uuid
from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import ClientError

from chalicelib.secret import VARIABLE, deployed_hasher

KEY = "a key of the stack"


@pytest.fixture
def secret_arn(aws_environment: pytest.MonkeyPatch, emulator: str) -> Iterator[str]:
    aws_environment.setenv("AWS_ENDPOINT_URL", emulator)
    secrets = boto3.client("secretsmanager")
    arn = secrets.create_secret(Name=f"hash-{uuid.uuid4()}", SecretString=KEY)["ARN"]
    yield arn
    secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)


def test_a_value_is_hashed_with_the_key_of_the_stack(
    secret_arn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, secret_arn)
    hashed = deployed_hasher()
    expected = hmac.new(KEY.encode(), b'{"S":"Ada"}', hashlib.sha256).hexdigest()
    assert hashed(b'{"S":"Ada"}') == expected
    assert hashed(b'{"S":"Bob"}') != expected


def test_a_secret_that_cannot_be_read_is_no_key(
    secret_arn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, f"{secret_arn}-another")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        deployed_hasher()


@pytest.mark.usefixtures("secret_arn")
def test_without_the_variable_there_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(LookupError, match=VARIABLE):
        deployed_hasher()


def test_no_aws_client_is_imported_before_a_key_is_read() -> None:
    program = "import sys, app, chalicelib.secret; assert 'boto3' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
