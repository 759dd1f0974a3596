"""The command as people start it: a process beside the emulator, on a deployed stack."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest

from local.pipe.__main__ import deployed_pipe
from local.stream.status import Status, read_status
from sluice.stack import Stack
from tests.fakes import FakeFirehose

ROOT = Path(__file__).parents[3]
WAIT_SECONDS = 30

PIPE: dict[str, Any] = {
    "Arn": "arn:${AWS::Partition}:pipes:${AWS::Region}:${AWS::AccountId}:pipe/changes",
    "RoleArn": "${Role.Arn}",
    "Source": "${Table.StreamArn}",
    "SourceParameters": {
        "DynamoDBStreamParameters": {
            "StartingPosition": "TRIM_HORIZON",
            "BatchSize": 10,
            "MaximumRetryAttempts": 1,
            "OnPartialBatchItemFailure": "AUTOMATIC_BISECT",
            "DeadLetterConfig": {"Arn": "${Dead.Arn}"},
        }
    },
    "Target": "arn:${AWS::Partition}:firehose:${AWS::Region}:${AWS::AccountId}"
    ":deliverystream/${Lake}",
    "TargetParameters": {"InputTemplate": '{"dynamodb": <$.dynamodb>}'},
}

TEMPLATE: dict[str, Any] = {
    "Resources": {
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST",
                "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
            },
        },
        "Dead": {"Type": "AWS::SQS::Queue"},
        "Bucket": {"Type": "AWS::S3::Bucket"},
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
        },
        "Lake": {
            "Type": "AWS::KinesisFirehose::DeliveryStream",
            "Properties": {
                "DeliveryStreamType": "DirectPut",
                "ExtendedS3DestinationConfiguration": {
                    "BucketARN": {"Fn::GetAtt": ["Bucket", "Arn"]},
                    "RoleARN": {"Fn::GetAtt": ["Role", "Arn"]},
                },
            },
        },
    },
    "Outputs": {
        "TableName": {"Value": {"Ref": "Table"}},
        "StreamName": {"Value": {"Ref": "Lake"}},
        "PipeDefinition": {"Value": {"Fn::Sub": json.dumps(PIPE)}},
    },
}


@pytest.fixture(scope="module")
def stack_name(emulator: str, session: boto3.Session) -> Iterator[str]:
    name = f"pipe-{uuid.uuid4()}"
    cloudformation = session.client("cloudformation", endpoint_url=emulator)
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(TEMPLATE))
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    yield name
    cloudformation.delete_stack(StackName=name)


@pytest.fixture
def stack(emulator: str, stack_name: str, session: boto3.Session) -> Stack:
    return Stack.named(stack_name, session.client("cloudformation", endpoint_url=emulator))


@pytest.fixture
def put(stack: Stack, session: boto3.Session, emulator: str) -> Callable[[list[str]], None]:
    client = session.client("dynamodb", endpoint_url=emulator)

    def write(ids: list[str]) -> None:
        for each in ids:
            client.put_item(TableName=stack.output("TableName"), Item={"id": {"S": each}})

    return write


class Pipe:
    """A started pipe."""

    def __init__(self, process: subprocess.Popen[str], state: Path) -> None:
        self.process = process
        self.state = state

    def wait(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not done():
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline, self.status
            time.sleep(0.01)

    @property
    def status(self) -> Status | None:
        return read_status(self.state)

    def end(self, signal_number: signal.Signals) -> tuple[int, str]:
        self.process.send_signal(signal_number)
        errors = self.process.communicate(timeout=WAIT_SECONDS)[1]
        return self.process.returncode, errors


@pytest.fixture
def start(
    emulator: str,
    stack_name: str,
    stack: Stack,
    firehose_server: FakeFirehose,
    tmp_path: Path,
) -> Iterator[Callable[..., Pipe]]:
    firehose_server.stream = stack.output("StreamName")
    with ExitStack() as started:

        def start(**options: str) -> Pipe:
            values = {
                "endpoint-url": emulator,
                "firehose-url": firehose_server.url,
                "stack-name": stack_name,
                "state-dir": str(tmp_path / "state"),
                "poll-seconds": "0.02",
                **{name.replace("_", "-"): value for name, value in options.items()},
            }
            process = started.enter_context(
                subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "local.pipe",
                        *(f"--{name}={value}" for name, value in values.items()),
                    ],
                    cwd=ROOT,
                    env={
                        **os.environ,
                        "AWS_ACCESS_KEY_ID": "test",
                        "AWS_SECRET_ACCESS_KEY": "test",
                    },
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            started.callback(process.kill)
            return Pipe(process, tmp_path / "state")

        yield start


def test_the_definition_of_a_deployed_pipe_comes_out_whole(stack: Stack) -> None:
    definition = deployed_pipe(stack)
    account = "us-east-1:000000000000"
    table, delivery_stream = stack.output("TableName"), stack.output("StreamName")
    assert definition.name == "changes"
    assert definition.arn == f"arn:aws:pipes:{account}:pipe/changes"
    assert definition.source_arn.startswith(f"arn:aws:dynamodb:{account}:table/{table}/stream/")
    assert definition.target_arn == f"arn:aws:firehose:{account}:deliverystream/{delivery_stream}"
    assert definition.delivery_stream == delivery_stream
    assert definition.dead_letter_arn is not None
    assert definition.dead_letter_arn.startswith(f"arn:aws:sqs:{account}:{stack.name}-Dead-")
    assert definition.input_template == '{"dynamodb": <$.dynamodb>}'


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_pipe_in_order_and_a_restart_goes_on(
    start: Any, put: Any, firehose_server: Any, signal_number: signal.Signals
) -> None:
    first = [f"{signal_number.name}-first-{n:02}" for n in range(25)]
    put(first)
    pipe = start()
    pipe.wait(lambda: set(first) <= set(firehose_server.ids()))
    code, errors = pipe.end(signal_number)
    assert code == 0, errors
    assert not pipe.status.running
    taken = len(firehose_server.taken)
    second = [f"{signal_number.name}-second-{n:02}" for n in range(5)]
    put(second)
    pipe = start()
    pipe.wait(lambda: len(firehose_server.taken) == taken + 5)
    assert pipe.end(signal_number)[0] == 0
    assert firehose_server.ids()[taken:] == second
    assert firehose_server.ids()[-30:] == first + second


def test_a_killed_pipe_loses_nothing_and_repeats_one_batch_at_most(
    start: Any, put: Any, firehose_server: Any
) -> None:
    ids = [f"killed-{n:03}" for n in range(200)]
    put(ids)
    kill_after = iter((30, 90, 140))

    for count in kill_after:
        pipe = start()
        pipe.wait(lambda least=count: len(firehose_server.taken) >= least)
        pipe.end(signal.SIGKILL)
    pipe = start()
    pipe.wait(lambda: firehose_server.ids()[-1:] == ids[-1:])
    assert pipe.end(signal.SIGTERM)[0] == 0
    delivered = [each for each in firehose_server.ids() if each.startswith("killed")]
    assert list(dict.fromkeys(delivered)) == ids
    assert len(delivered) - len(ids) <= 3 * 10


def test_the_pipe_is_stopped_and_started_at_the_emulator(
    start: Any, put: Any, stack: Stack, emulator: str, session: boto3.Session, firehose_server: Any
) -> None:
    definition = deployed_pipe(stack)
    pipes = session.client("pipes", endpoint_url=emulator)
    pipes.create_pipe(
        Name=definition.name,
        RoleArn="arn:aws:iam::000000000000:role/pipe",
        Source=definition.source_arn,
        Target=definition.target_arn,
        DesiredState="STOPPED",
    )
    try:
        put(["stopped"])
        pipe = start()
        pipe.wait(lambda: pipe.status is not None and pipe.status.stopped)
        before = pipe.status.updated_at
        pipe.wait(lambda: pipe.status.updated_at > before + 1)
        assert pipe.status.read == 0
        pipes.start_pipe(Name=definition.name)
        pipe.wait(lambda: "stopped" in firehose_server.ids())
        pipes.stop_pipe(Name=definition.name)
        pipe.wait(lambda: pipe.status.stopped)
        assert pipe.end(signal.SIGTERM)[0] == 0
    finally:
        pipes.delete_pipe(Name=definition.name)


def test_an_unknown_stack_is_named_without_a_traceback(start: Any) -> None:
    pipe = start(stack_name="nowhere")
    errors = pipe.process.communicate(timeout=WAIT_SECONDS)[1]
    assert pipe.process.returncode == 1
    assert "stack nowhere cannot be read" in errors
    assert "Traceback" not in errors


def test_an_emulator_that_does_not_answer_is_named_without_a_traceback(
    start: Any, closed_endpoint: str
) -> None:
    pipe = start(endpoint_url=closed_endpoint)
    errors = pipe.process.communicate(timeout=WAIT_SECONDS)[1]
    assert pipe.process.returncode == 1
    assert f"The emulator at {closed_endpoint} cannot be used" in errors
    assert "Traceback" not in errors
