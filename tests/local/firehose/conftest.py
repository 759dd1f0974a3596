"""A deployed function, streams for it in the emulator, and the server between them."""

import asyncio
import io
import socket
import threading
import uuid
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.firehose import config
from local.firehose.server import Emulator, Server
from local.firehose.stream import Intervals
from tests.local.firehose.stand import (
    DEAGGREGATION,
    HANDLER,
    ROLE,
    Deployed,
    Function,
    Running,
    SetClock,
    client,
    destination,
    lambda_processor,
)


@pytest.fixture(scope="session")
def function(emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Function:
    log = tmp_path_factory.mktemp("function") / "events"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("handler.py", HANDLER)
    created = client("lambda", emulator).create_function(
        FunctionName=f"transform-{uuid.uuid4().hex[:8]}",
        Runtime="python3.11",
        Role=ROLE,
        Handler="handler.handle",
        Code={"ZipFile": archive.getvalue()},
        Environment={"Variables": {"EVENTS": str(log)}},
        Timeout=1,
    )
    return Function(created["FunctionArn"], log)


@pytest.fixture
def deploy(emulator: str, function: Function) -> Callable[..., Deployed]:
    """Create a stream; keyword arguments replace parts of its destination."""

    def create(
        processor: dict[str, str] | None = None, *, deaggregates: bool = False, **changes: Any
    ) -> Deployed:
        name = f"stream-{uuid.uuid4().hex[:8]}"
        deployed = Deployed(name, f"lake-{name}", emulator)
        processors = [
            *([DEAGGREGATION] if deaggregates else []),
            lambda_processor(function.arn, **(processor or {})),
        ]
        client("s3", emulator).create_bucket(Bucket=deployed.bucket)
        client("firehose", emulator).create_delivery_stream(
            DeliveryStreamName=name,
            ExtendedS3DestinationConfiguration=destination(deployed.bucket, processors, **changes),
        )
        return deployed

    return create


@pytest.fixture(scope="session")
def backend(emulator: str) -> Emulator:
    return Emulator(emulator, "us-east-1")


@pytest.fixture
def run(emulator: str, backend: Emulator) -> Iterator[Callable[..., Running]]:
    """Run the server in a thread, on a clock that stands still, until the test ends."""
    started: list[tuple[Server, threading.Thread]] = []

    def start(stream: Deployed, buffer_seconds: float = 2, processor_seconds: float = 0) -> Running:
        described = client("firehose", emulator).describe_delivery_stream(
            DeliveryStreamName=stream.name
        )["DeliveryStreamDescription"]
        clock = SetClock()
        server = Server(
            backend,
            [config.read(described, backend.column_types)],
            Intervals(buffer_seconds, processor_seconds),
            clock=clock,
            grace_seconds=10,
        )
        listener = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=lambda: asyncio.run(server.run(listener)))
        thread.start()
        started.append((server, thread))
        return Running(stream, url, client("firehose", url), clock)

    yield start
    for server, thread in started:
        server.stop()
        thread.join()
