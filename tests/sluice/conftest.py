"""A stack of a bucket and a queue in the emulator, and its objects."""

import gzip
import uuid
from collections.abc import Callable, Iterator

import boto3
import pytest

from chalicelib.declared import VARIABLE
from sluice.stack import Stack
from tests.declaring import WORKED, schema_outputs, worked
from tests.fakes import STREAM, FakeFirehose


@pytest.fixture
def stack(
    emulator: str,
    aws_environment: pytest.MonkeyPatch,
    firehose_server: FakeFirehose,
) -> Iterator[Stack]:
    """A stack of a bucket, a queue and the Firehose server."""
    aws_environment.setenv("AWS_ENDPOINT_URL", emulator)
    aws_environment.setenv("AWS_ENDPOINT_URL_FIREHOSE", firehose_server.url)
    # One try: the suite, and not botocore's back-off, says how often something is refused.
    aws_environment.setenv("AWS_MAX_ATTEMPTS", "1")
    name = f"test-{uuid.uuid4()}"
    s3, sqs = boto3.client("s3"), boto3.client("sqs")
    s3.create_bucket(Bucket=name)
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    glue = boto3.client("glue")
    database = name.replace("-", "_")
    glue.create_database(DatabaseInput={"Name": database})
    yield Stack(
        "Sluice-test",
        {
            "AlarmTopicArn": "arn:aws:sns:us-east-1:000000000000:alarms",
            "BucketName": name,
            "DatabaseName": database,
            "DeadLetterQueueUrl": queue,
            "StreamName": STREAM,
            **schema_outputs(),
        },
    )
    sqs.delete_queue(QueueUrl=queue)
    glue.delete_database(Name=database)
    boto3.resource("s3").Bucket(name).objects.delete()
    s3.delete_bucket(Bucket=name)


StackOf = Callable[[str], Stack]


@pytest.fixture
def stack_of(stack: Stack, aws_environment: pytest.MonkeyPatch) -> StackOf:
    """The same stack as it is where a table of `tables/` is declared."""

    def declaring(name: str) -> Stack:
        aws_environment.setenv(VARIABLE, str(WORKED / f"{name}.py"))
        return Stack(stack.name, {**stack.outputs, **schema_outputs(worked(name))})

    return declaring


ErrorObjects = Callable[..., str]


@pytest.fixture
def put_errors(stack: Stack) -> ErrorObjects:
    """Writes an error object of the given lines; answers its key."""

    def put(*lines: bytes, name: str = "object.gz") -> str:
        key = f"errors/processing-failed/2026/01/02/{name}"
        stack.s3.put_object(Bucket=stack.bucket, Key=key, Body=gzip.compress(b"".join(lines)))
        return key

    return put


@pytest.fixture
def stored_keys(stack: Stack) -> Callable[[], list[str]]:
    """The keys of the bucket."""

    def listed() -> list[str]:
        answer = stack.s3.list_objects_v2(Bucket=stack.bucket)
        return [each["Key"] for each in answer.get("Contents", [])]

    return listed
