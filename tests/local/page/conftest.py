"""The page's server over real HTTP, with snapshots that a test chooses."""

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import boto3
import pytest
import urllib3

from local.page.changes import Changes
from local.page.collector import Collector, Sources
from local.page.commands import Sluice
from local.page.entrance import Entrance
from local.page.feed import Feed
from local.page.lake import Bucket
from local.page.queries import SavedQueries
from local.page.server import Page, Server
from local.page.snapshot import History, Snapshot
from local.page.views import Views
from sluice.stream import Stream

SECONDS = 10.0


@dataclass
class Site:
    """A running page, and the way to change what it shows."""

    port: int
    loop: asyncio.AbstractEventLoop
    feed: Feed
    server: Server
    thread: threading.Thread

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def publish(self, snapshot: Snapshot) -> None:
        done = threading.Event()

        def publish() -> None:
            self.feed.publish(snapshot, History())
            done.set()

        self.loop.call_soon_threadsafe(publish)
        assert done.wait(SECONDS)

    def stop(self) -> None:
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.server.handle_exit, signal.SIGTERM, None)
            self.thread.join(SECONDS)


@pytest.fixture
def sources(aws_environment: pytest.MonkeyPatch, closed_endpoint: str, tmp_path: Path) -> Sources:
    """Sources of which none answers."""
    aws_environment.setenv("AWS_ENDPOINT_URL", closed_endpoint)
    aws_environment.setenv("AWS_MAX_ATTEMPTS", "1")
    stream = Stream(boto3.client("dynamodbstreams"), "arn:aws:dynamodb:::table/absent/stream/1")
    return Sources(
        Changes(stream),
        Bucket(boto3.client("s3"), "absent"),
        boto3.client("sqs"),
        f"{closed_endpoint}/queue",
        boto3.client("glue"),
        "absent",
        closed_endpoint,
        "absent",
        tmp_path,
    )


@pytest.fixture
def site(sources: Sources, tmp_path: Path) -> Iterator[Site]:
    queries = tmp_path / "queries"
    queries.mkdir()
    (queries / "all.sql").write_text("-- All <of> it.\nSELECT 1\n")
    started: list[Site] = []
    ready = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(serve()))

    async def serve() -> None:
        views = Views()
        feed = Feed(views.regions)
        sluice = Sluice("absent")
        collector = Collector(sources, sluice, feed)
        entrance = Entrance(sources.firehose_url, sources.firehose_url, "absent")
        page = Page("Sluice-test", views, feed, collector, entrance, sluice, SavedQueries(queries))
        server = Server(page, feed)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            started.append(Site(port, asyncio.get_running_loop(), feed, server, thread))
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
