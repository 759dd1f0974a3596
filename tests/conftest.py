"""What suites share: the AWS emulator, tables in it, and a DynamoDB that answers by script."""

import json
import os
import signal
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from local.emulator import CREDENTIALS
from local.emulator import emulator as run_emulator
from local.processes import free_port

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


Script = Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]]
"""From a DynamoDB operation and its request to an HTTP status and a body."""


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep in one worker, of several, the tests of a file, and all tests of the one local stack."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        group = "stack" if "stack_under_test" in fixtures else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers of a run share."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The emulator's endpoint, for the whole session."""
    with run_emulator(free_port(), tmp_path_factory.mktemp("emulator")) as endpoint_url:
        yield endpoint_url


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


@pytest.fixture
def make_table(dynamodb: "DynamoDBClient") -> Iterator[Callable[[str], str]]:
    """Makes a table with a string key of the given name; answers the table's name."""
    with ExitStack() as tables:

        def make(key: str) -> str:
            name = f"records-{uuid.uuid4()}"
            dynamodb.create_table(
                TableName=name,
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
            tables.callback(dynamodb.delete_table, TableName=name)
            return name

        yield make


@pytest.fixture
def table_name(make_table: Callable[[str], str]) -> str:
    """An empty table of records."""
    return make_table("id")


@contextmanager
def _serving(script: Script) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            operation = self.headers["X-Amz-Target"].rpartition(".")[2]
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, document = script(operation, request)
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def scripted_dynamodb() -> Iterator[Callable[[Script], str]]:
    """Starts a server that speaks DynamoDB's protocol and answers by a script; its endpoint."""
    with ExitStack() as servers:
        yield lambda script: servers.enter_context(_serving(script))


@pytest.fixture
def closed_endpoint() -> str:
    """An endpoint where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"
