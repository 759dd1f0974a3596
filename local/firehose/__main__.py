"""The command: `python -m local.firehose --endpoint-url URL --port N`."""

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path

import click
from botocore.exceptions import BotoCoreError, ClientError

from local.firehose import config
from local.firehose.config import StreamConfig
from local.firehose.ledger import Journal
from local.firehose.server import Emulator, Server
from local.firehose.stream import Intervals
from local.processes import LOOPBACK
from sluice.errors import OperationError


@click.command(context_settings={"show_default": True})
@click.option("--endpoint-url", required=True, help="The AWS emulator, e.g. http://127.0.0.1:4566.")
@click.option("--region", default="us-east-1", envvar="AWS_DEFAULT_REGION")
@click.option(
    "--port",
    required=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on, loopback only; 0 takes a free one.",
)
@click.option(
    "--stream", "names", multiple=True, help="A delivery stream; repeatable. All when left out."
)
@click.option(
    "--buffer-seconds",
    default=2.0,
    type=click.FloatRange(min=0),
    help="Age at which a partition's buffer is delivered, in place of the deployed interval.",
)
@click.option(
    "--processor-seconds",
    default=0.5,
    type=click.FloatRange(min=0),
    help="Age at which a batch goes to the function, in place of the deployed interval.",
)
@click.option(
    "--journal",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that keeps acknowledged records, so that they survive a kill of the server.",
)
@click.option(
    "--grace-seconds",
    default=30.0,
    type=click.FloatRange(min=0),
    help="Time to deliver what is buffered when stopped.",
)
def main(
    endpoint_url: str,
    region: str,
    port: int,
    names: tuple[str, ...],
    buffer_seconds: float,
    processor_seconds: float,
    path: Path | None,
    grace_seconds: float,
) -> None:
    """Stand in for Amazon Data Firehose, for delivery streams deployed to an AWS emulator.

    Clients reach it through AWS_ENDPOINT_URL_FIREHOSE. A stop (Ctrl-C, SIGTERM) delivers all that
    is buffered first.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    emulator = Emulator(endpoint_url, region)
    configs = deployed(emulator, names)
    intervals = Intervals(buffer_seconds, processor_seconds)
    listener = listen(port)
    try:
        journal = Journal(path) if path else None
    except OperationError as error:
        raise click.ClickException(str(error)) from error
    server = Server(emulator, configs, intervals, journal=journal, grace_seconds=grace_seconds)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.stop())
    for stream in configs:
        click.echo(introduction(stream, intervals))
    if not path:
        click.echo("No --journal: records in the buffers are lost if the server is killed.")
    click.echo(f"Firehose listens at http://{LOOPBACK}:{listener.getsockname()[1]}")
    with closing(journal) if journal else nullcontext():
        left = asyncio.run(server.run(listener))
    if left:
        kept = f"They are kept in {path}." if path else "They are lost."
        raise click.ClickException(
            f"{left} records could not be delivered in {grace_seconds:g} s. {kept}"
        )
    click.echo("Firehose stopped; everything is delivered.")


def deployed(emulator: Emulator, names: Sequence[str]) -> list[StreamConfig]:
    """Return the configuration of the named streams, or of all. Raises ClickException."""
    client = emulator.firehose()
    try:
        existing = client.list_delivery_streams(Limit=10_000)["DeliveryStreamNames"]
        missing = sorted(set(names) - set(existing))
        if missing or not existing:
            raise click.ClickException(
                f"{emulator.endpoint_url} has no delivery stream"
                f"{' named ' + ', '.join(missing) if missing else ''} "
                f"(it has: {', '.join(existing) or 'none'}); deploy the stack first, "
                "or correct --stream or --region"
            )
        return [
            config.read(
                client.describe_delivery_stream(DeliveryStreamName=name)[
                    "DeliveryStreamDescription"
                ],
                emulator.column_types,
            )
            for name in dict.fromkeys(names or existing)
        ]
    except (BotoCoreError, ClientError) as error:
        raise click.ClickException(
            f"no AWS emulator answers at {emulator.endpoint_url} ({error}); start it, "
            "or correct --endpoint-url"
        ) from error
    except OperationError as error:
        raise click.ClickException(str(error)) from error


def listen(port: int) -> socket.socket:
    """Return a listening socket on loopback. Raises ClickException when the port cannot be used."""
    try:
        listener = socket.create_server((LOOPBACK, port))
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error})"
        raise click.ClickException(
            f"port {port} {reason}; stop what listens there, or choose another --port"
        ) from error
    # Connections inherit it. Without it an answer's second packet waits 40 ms for the client's
    # delayed acknowledgement of the first; asyncio sees to that only for sockets it made itself.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def introduction(stream: StreamConfig, intervals: Intervals) -> str:
    """Return the lines printed of a stream on start: its deployed buffering and the local one."""
    buffering, processor = stream.buffering, stream.processor.buffering
    return (
        f"{stream.name} -> s3://{stream.bucket}, version {stream.version}\n"
        f"  buffer     {buffering.size_mb:g} MB or {intervals.buffer_seconds:g} s "
        f"(deployed: {buffering.seconds:g} s)\n"
        f"  processor  {processor.size_mb:g} MB or {intervals.processor_seconds:g} s "
        f"(deployed: {processor.seconds:g} s)"
    )


if __name__ == "__main__":
    main()
