"""What suites share: the AWS emulator, tables in it, and a DynamoDB that answers by script."""

import json
import logging
import os
import signal
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import boto3
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from chalicelib.declaration import Key
from local.emulator import CREDENTIALS
from local.emulator import emulator as run_emulator
from local.processes import free_port
from tests.fakes import FakeFirehose, MemoryStreams, Script, StreamTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient


NOT_QUICK = {"emulator", "cdk", "installed"}
"""Fixtures that take longer than a test that `make quick` runs; tests with them are slow."""

QUICK_SECONDS = 5.0
"""The processor time that a test of `make quick` may take, with its processes."""


def pytest_configure() -> None:
    """Let the commands under test be interrupted, also where the test run itself ignores it.

    A shell that starts the tests in the background has them ignore SIGINT, and their children too.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--target",
        choices=("local", "aws"),
        default="local",
        help="where tests/end_to_end runs: a fresh stack on this machine, or a deployed one",
    )
    parser.addoption(
        "--stack-name", default="Sluice-dev", help="the deployed stack for --target aws"
    )
    parser.addoption(
        "--feed",
        choices=("pipe", "function"),
        default="pipe",
        help="what feeds Firehose in the stack that tests/end_to_end deploys on this machine",
    )
    parser.addoption(
        "--missing-path",
        choices=("absent", "null", "empty-text", "object", "array", "no-template"),
        help="what the local pipe makes of userIdentity in tests/end_to_end, by another template",
    )


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives the tests of a file to one worker, and those of a folder that share a stack."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        folder = path.rpartition("/")[0]
        return folder if folder.startswith("tests/end_to_end/") else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Schedule tests as they are sorted here, not by their number."""
    config.option.loadscopereorder = False
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow tests, and let the files that have some begin first.

    A worker that is done takes a short file, and does not wait for a long one of the other.
    """
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "end_to_end" in item.path.parts or not NOT_QUICK.isdisjoint(fixtures):
            item.add_marker(pytest.mark.slow)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: ("end_to_end" not in item.path.parts, item.path not in slow))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test of `make quick` that is slow and does not say so, however busy the machine is."""
    before = sum(os.times()[:4])
    yield
    seconds = sum(os.times()[:4]) - before
    if item.config.option.markexpr == "not slow" and seconds > QUICK_SECONDS:
        pytest.fail(f"took {seconds:.1f} s of processor time: mark it with pytest.mark.slow")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a compressed value by its argument, for it holds the clock, and workers must agree."""
    return argname if isinstance(val, bytes) and val.startswith(b"\x1f\x8b") else None


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers of a run share."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The emulator's endpoint, for the whole session."""
    with run_emulator(free_port(), tmp_path_factory.mktemp("emulator")) as running:
        yield running.endpoint_url


@pytest.fixture
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The emulator's credentials and region, and nothing of the machine's own; sets more."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


@pytest.fixture(scope="session")
def dynamodb(emulator: str) -> "DynamoDBClient":
    return boto3.Session(
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
    ).client("dynamodb", endpoint_url=emulator)


ROLES: tuple[Literal["HASH", "RANGE"], ...] = ("HASH", "RANGE")


@pytest.fixture
def make_table(dynamodb: "DynamoDBClient") -> Iterator[Callable[..., str]]:
    """Makes a table with a key, and a stream if wanted; returns the table's name."""
    with ExitStack() as tables:

        def make(key: str | tuple[Key, ...], stream: bool = False) -> str:
            parts = (Key(key),) if isinstance(key, str) else key
            name = f"records-{uuid.uuid4()}"
            # The emulator names a stream for any specification of one, even of one that is off.
            streaming: Any = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
            dynamodb.create_table(
                TableName=name,
                KeySchema=[
                    {"AttributeName": part.name, "KeyType": role}
                    for part, role in zip(parts, ROLES, strict=False)
                ],
                AttributeDefinitions=[
                    {"AttributeName": part.name, "AttributeType": part.type} for part in parts
                ],
                BillingMode="PAY_PER_REQUEST",
                **({"StreamSpecification": streaming} if stream else {}),
            )
            tables.callback(dynamodb.delete_table, TableName=name)
            return name

        yield make


@pytest.fixture
def table_name(make_table: Callable[[str], str]) -> str:
    """An empty table of records."""
    return make_table("id")


def _answer(script: Script, request: Request) -> Response:
    operation = request.headers["X-Amz-Target"].rpartition(".")[2]
    status, document = script(operation, request.get_json(force=True))
    return Response(json.dumps(document), status, content_type="application/x-amz-json-1.0")


@pytest.fixture(scope="session")
def script_server() -> Iterator[HTTPServer]:
    """One server for all scripts: to stop one takes half a second."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with HTTPServer("127.0.0.1", threaded=True) as server:
        yield server


@pytest.fixture
def scripted_dynamodb(script_server: HTTPServer) -> Iterator[Callable[[Script], str]]:
    """Answers AWS's JSON protocol by a script, at the endpoint that is returned."""

    def serve(script: Script) -> str:
        place = f"/{uuid.uuid4()}"
        script_server.expect_request(place, method="POST").respond_with_handler(
            lambda request: _answer(script, request)
        )
        return script_server.url_for(place)

    yield serve
    try:
        script_server.check()
    finally:
        script_server.clear()


@pytest.fixture
def firehose_server(scripted_dynamodb: Callable[[Script], str]) -> FakeFirehose:
    """A delivery stream that refuses on demand."""
    fake = FakeFirehose()
    fake.url = scripted_dynamodb(fake.answer)
    return fake


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    return boto3.Session("test", "test", region_name="us-east-1")


@pytest.fixture(scope="session")
def streams(emulator: str, session: boto3.Session) -> "DynamoDBStreamsClient":
    return session.client("dynamodbstreams", endpoint_url=emulator)


@pytest.fixture
def stream_table(dynamodb: "DynamoDBClient") -> Iterator[StreamTable]:
    """An empty table whose stream is on."""
    name = f"records-{uuid.uuid4()}"
    table = dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]
    yield StreamTable(name, table["LatestStreamArn"], dynamodb)
    dynamodb.delete_table(TableName=name)


@pytest.fixture
def memory_streams() -> MemoryStreams:
    """A stream of several shards; the emulator's streams have one."""
    return MemoryStreams()


@pytest.fixture
def closed_endpoint() -> str:
    """An endpoint where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"
