"""The command: `python -m local.page --endpoint-url URL --port N ...`."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import click
from botocore.exceptions import BotoCoreError

from local.page.collector import Collector, Sources
from local.page.commands import Sluice
from local.page.entrance import Entrance
from local.page.feed import Feed
from local.page.queries import SavedQueries
from local.page.server import Page, Server
from local.page.views import Views
from sluice.errors import OperationError
from sluice.stack import Stack

HOST = "127.0.0.1"


@click.command(name="python -m local.page")
@click.option("--endpoint-url", required=True, help="The emulator: http://127.0.0.1:PORT.")
@click.option("--firehose-url", required=True, help="The local Firehose: http://127.0.0.1:PORT.")
@click.option("--api-url", required=True, help="The API that records are posted to.")
@click.option("--stack-name", required=True, help="The deployed stack.")
@click.option(
    "--pipe-state",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The state directory of the local pipe.",
)
@click.option("--port", required=True, type=int, help="Port to listen on, loopback only.")
def main(
    endpoint_url: str,
    firehose_url: str,
    api_url: str,
    stack_name: str,
    pipe_state: Path,
    port: int,
) -> None:
    """Show what flows through a deployed stack, in the browser, on loopback."""
    os.environ["AWS_ENDPOINT_URL"] = endpoint_url
    os.environ["AWS_ENDPOINT_URL_FIREHOSE"] = firehose_url
    try:
        sources = Sources.of(Stack.named(stack_name), firehose_url, pipe_state)
        entrance = Entrance(api_url, firehose_url, sources.stream_name)
        listener = socket.create_server((HOST, port))
    except (BotoCoreError, OperationError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"port {port} cannot be used: {error}") from error
    # Else an answer's second packet waits 40 ms for the browser's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn raises the signal that stopped it once more, after its end.
        signal.signal(number, lambda *_: None)
    asyncio.run(_run(stack_name, sources, entrance, listener))


async def _run(
    stack_name: str, sources: Sources, entrance: Entrance, listener: socket.socket
) -> None:
    views = Views()
    feed = Feed(views.regions)
    sluice = Sluice(stack_name)
    collector = Collector(sources, sluice, feed)
    page = Page(stack_name, views, feed, collector, entrance, sluice, SavedQueries())
    async with asyncio.TaskGroup() as tasks:
        gathering = tasks.create_task(collector.run())
        await Server(page, feed).serve(sockets=[listener])
        gathering.cancel()


if __name__ == "__main__":
    main()
