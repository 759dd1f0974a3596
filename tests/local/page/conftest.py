"""The page's server over real HTTP, with snapshots that a test chooses."""

import asyncio
import signal
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import pytest
import urllib3

from chalicelib.declaration import Table
from chalicelib.declared import shipped
from local.page.broadcast import Broadcast
from local.page.changes import Changes
from local.page.collector import Collector
from local.page.commands import SluiceCommand
from local.page.server import PageRoutes, PageServer
from local.page.snapshot import History, Snapshot
from local.page.views import Views
from sluice.api import Api
from sluice.query.saved import saved_queries
from sluice.stack import Stack
from sluice.stream import Stream
from tests.declaring import schema_outputs

SECONDS = 60.0


@dataclass
class Site:
    """A running page, and the way to change what it shows."""

    port: int
    loop: asyncio.AbstractEventLoop
    broadcast: Broadcast
    server: PageServer
    thread: threading.Thread

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def publish(self, snapshot: Snapshot) -> None:
        done = threading.Event()

        def publish() -> None:
            self.broadcast.publish(snapshot, History())
            done.set()

        self.loop.call_soon_threadsafe(publish)
        assert done.wait(SECONDS)

    def stop(self) -> None:
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.server.handle_exit, signal.SIGTERM, None)
            self.thread.join(SECONDS)


@pytest.fixture
def declaration() -> Table:
    """The table that the page is about."""
    return shipped()


@pytest.fixture
def absent(aws_environment: pytest.MonkeyPatch, closed_endpoint: str) -> Stack:
    """A stack of which no part answers."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_FIREHOSE"):
        aws_environment.setenv(name, closed_endpoint)
    aws_environment.setenv("AWS_MAX_ATTEMPTS", "1")
    queue_url = f"{closed_endpoint}/queue"
    names = dict.fromkeys(("BucketName", "DatabaseName", "StreamName"), "absent")
    return Stack("Sluice-test", {**names, "DeadLetterQueueUrl": queue_url})


@pytest.fixture
def stack(emulator: str, aws_environment: pytest.MonkeyPatch) -> Stack:
    """A stack of which there is nothing but an empty bucket."""
    aws_environment.setenv("AWS_ENDPOINT_URL", emulator)
    name = f"lake-{uuid.uuid4().hex}"
    outputs = {"BucketName": name, "DatabaseName": name.replace("-", "_"), **schema_outputs()}
    stack = Stack("lake", outputs)
    stack.glue.create_database(DatabaseInput={"Name": stack.output("DatabaseName")})
    stack.s3.create_bucket(Bucket=stack.bucket)
    return stack


@pytest.fixture
def changes(absent: Stack, declaration: Table) -> Changes:
    return Changes(Stream(absent.streams, "arn:aws:dynamodb:::table/absent/stream/1"), declaration)


@pytest.fixture
def collector(absent: Stack, declaration: Table, changes: Changes, tmp_path: Path) -> Collector:
    return Collector(absent, declaration, changes, tmp_path, Broadcast(lambda _: {}))


@pytest.fixture
def api_url(closed_endpoint: str) -> str:
    """The address of the API, which does not answer."""
    return closed_endpoint


@pytest.fixture
def site(
    absent: Stack, declaration: Table, changes: Changes, api_url: str, tmp_path: Path
) -> Iterator[Site]:
    queries = tmp_path / "queries"
    queries.mkdir()
    (queries / "all.sql").write_text("-- All <of> it.\nSELECT 1\n")
    started: list[Site] = []
    ready = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(serve()))

    async def serve() -> None:
        views = Views(declaration)
        broadcast = Broadcast(views.regions)
        page = PageRoutes(
            absent,
            declaration,
            Api(api_url),
            SluiceCommand(absent.name),
            views,
            broadcast,
            Collector(absent, declaration, changes, tmp_path, broadcast),
            partial(saved_queries, folder=queries),
        )
        server = PageServer(page, broadcast)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            started.append(Site(port, asyncio.get_running_loop(), broadcast, server, thread))
            ready.set()
            await server.serve(sockets=[listener])

    thread.start()
    assert ready.wait(SECONDS)
    yield started[0]
    started[0].stop()
    assert not thread.is_alive()


@pytest.fixture
def http() -> Iterator[urllib3.PoolManager]:
    with urllib3.PoolManager(retries=False, timeout=SECONDS) as pool:
        yield pool


Post = Callable[[str, Mapping[str, str]], urllib3.BaseHTTPResponse]


@pytest.fixture
def post(site: Site, http: urllib3.PoolManager) -> Post:
    """Posts a form as a browser on the page does."""

    def posted(path: str, form: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        headers = {"Origin": site.origin}
        return http.request("POST", site.origin + path, headers=headers, body=urlencode(form))

    return posted
