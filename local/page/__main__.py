"""The command: `python -m local.page --endpoint-url URL --port N ...`."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import boto3
import botocore.session
import click
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.declaration import Table
from chalicelib.errors import SluiceError
from local.page.broadcast import Broadcast
from local.page.changes import Changes
from local.page.collector import Collector
from local.page.commands import SluiceCommand
from local.page.server import PageRoutes, PageServer
from local.page.views import Views
from local.processes import LOOPBACK
from sluice.api import Api
from sluice.stack import Stack
from sluice.stream import Stream


@click.command(name="python -m local.page")
@click.option("--endpoint-url", required=True, help="The emulator: http://127.0.0.1:PORT.")
@click.option("--firehose-url", required=True, help="The local Firehose: http://127.0.0.1:PORT.")
@click.option("--api-url", required=True, help="The API that records are posted to.")
@click.option("--stack-name", required=True, help="The deployed stack.")
@click.option(
    "--feed-state",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The state directory of the local pipe or mapping.",
)
@click.option("--port", required=True, type=int, help="Port to listen on, loopback only.")
def main(
    endpoint_url: str,
    firehose_url: str,
    api_url: str,
    stack_name: str,
    feed_state: Path,
    port: int,
) -> None:
    """Show what flows through a deployed stack, in the browser, on loopback."""
    os.environ["AWS_ENDPOINT_URL"] = endpoint_url
    os.environ["AWS_ENDPOINT_URL_FIREHOSE"] = firehose_url
    _fail_fast()
    try:
        stack = Stack.named(stack_name)
        table = stack.table
        described = stack.dynamodb.describe_table(TableName=stack.output("TableName"))
        source_arn = described["Table"]["LatestStreamArn"]
        api = Api(api_url)
        listener = socket.create_server((LOOPBACK, port))
    except (BotoCoreError, ClientError, SluiceError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"port {port} cannot be used: {error}") from error
    # Else an answer's second packet waits 40 ms for the browser's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn raises the signal that stopped it once more, after its end.
        signal.signal(number, lambda *_: None)
    changes = Changes(Stream(stack.streams, source_arn), table)
    asyncio.run(serve(stack, table, changes, api, feed_state, listener))


def _fail_fast() -> None:
    """Have every client give up after one short attempt: the next gathering asks again."""
    session = botocore.session.get_session()
    session.set_default_client_config(
        Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1})
    )
    boto3.setup_default_session(botocore_session=session)


async def serve(
    stack: Stack,
    table: Table,
    changes: Changes,
    api: Api,
    feed_state: Path,
    listener: socket.socket,
) -> None:
    """Serve the page until a signal ends it."""
    views = Views(table)
    broadcast = Broadcast(views.regions)
    collector = Collector(stack, table, changes, feed_state, broadcast)
    page = PageRoutes(stack, table, api, SluiceCommand(stack.name), views, broadcast, collector)
    async with asyncio.TaskGroup() as tasks:
        gathering = tasks.create_task(collector.run())
        await PageServer(page, broadcast).serve(sockets=[listener])
        gathering.cancel()


if __name__ == "__main__":
    main()
