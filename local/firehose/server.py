"""The server: streams connected to the emulator, the HTTP front, and a stop that flushes all."""

import asyncio
import socket
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import boto3
import uvicorn
from botocore.config import Config

from local.clock import Clock
from local.firehose.config import StreamConfig
from local.firehose.ledger import Journal, Ledger
from local.firehose.objects import Objects
from local.firehose.processor import Processor
from local.firehose.stream import Intervals, LocalStream
from local.firehose.wire import Firehose, application

if TYPE_CHECKING:
    from mypy_boto3_firehose import FirehoseClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client

CONCURRENT_INVOCATIONS = 2
"""AWS allows about five a shard; two suit the two cores that the emulator's function shares."""

CONCURRENT_UPLOADS = 4

TICK_SECONDS = 0.05

_FUNCTION_SECONDS_MAX = 300


class Emulator:
    """Clients of the AWS emulator, with its dummy credentials: never a person's own."""

    def __init__(self, endpoint_url: str, region: str) -> None:
        self.endpoint_url = endpoint_url
        self._session = boto3.Session(
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - the emulator takes any
            region_name=region,
        )

    def firehose(self) -> "FirehoseClient":
        """For the deployed streams' configuration."""
        config = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2})
        return self._session.client("firehose", endpoint_url=self.endpoint_url, config=config)

    def column_types(self, database: str, table: str) -> Mapping[str, str]:
        """The columns of a Glue table with their types. Raises LookupError when there is none."""
        client = self._session.client("glue", endpoint_url=self.endpoint_url)
        with closing(client):
            try:
                answer = client.get_table(DatabaseName=database, Name=table)
            except client.exceptions.EntityNotFoundException:
                raise LookupError("it is not in the catalog; deploy the stack again") from None
        columns = answer["Table"]["StorageDescriptor"]["Columns"]
        return {column["Name"]: column["Type"] for column in columns}

    def functions(self) -> "LambdaClient":
        """For invocations, each tried once and given all the time a function may take."""
        config = Config(
            connect_timeout=5,
            read_timeout=_FUNCTION_SECONDS_MAX + 10,
            retries={"total_max_attempts": 1},
            max_pool_connections=CONCURRENT_INVOCATIONS,
        )
        return self._session.client("lambda", endpoint_url=self.endpoint_url, config=config)

    def objects(self) -> "S3Client":
        """For the streams' objects, each put tried once."""
        config = Config(
            connect_timeout=5,
            read_timeout=60,
            retries={"total_max_attempts": 1},
            max_pool_connections=CONCURRENT_UPLOADS,
            s3={"addressing_style": "path"},
        )
        return self._session.client("s3", endpoint_url=self.endpoint_url, config=config)


class Server:
    """Runs once, on one listening socket, until it is stopped."""

    def __init__(
        self,
        emulator: Emulator,
        configs: Sequence[StreamConfig],
        intervals: Intervals,
        *,
        journal: Journal | None = None,
        clock: Clock | None = None,
        grace_seconds: float = 30,
    ) -> None:
        self._emulator = emulator
        self._configs = configs
        self._intervals = intervals
        self._journal = journal
        self._clock = clock or Clock()
        self._grace_seconds = grace_seconds
        self._stopping = threading.Event()
        self._http: uvicorn.Server | None = None

    def stop(self) -> None:
        """Ask the server to take no more records, deliver what it has, and end."""
        self._stopping.set()
        if self._http:
            self._http.should_exit = True

    async def run(self, listener: socket.socket) -> int:
        """Serve until stopped. Returns how many records could not be delivered in the end."""
        with (
            closing(self._emulator.functions()) as functions,
            closing(self._emulator.objects()) as objects,
            ThreadPoolExecutor(CONCURRENT_INVOCATIONS) as invocations,
            ThreadPoolExecutor(CONCURRENT_UPLOADS) as uploads,
        ):
            streams = [
                LocalStream(
                    config,
                    self._intervals,
                    processor=Processor(config, functions, self._clock, self._stopping.wait),
                    objects=Objects(config, objects),
                    # A stream created anew does not inherit the records of a deleted namesake.
                    ledger=Ledger(f"{config.arn} {config.created}", self._clock, self._journal),
                    clock=self._clock,
                    invocations=invocations,
                    uploads=uploads,
                )
                for config in self._configs
            ]
            for stream in streams:
                stream.resume()
            firehose = Firehose({stream.config.name: stream for stream in streams})
            self._http = uvicorn.Server(
                uvicorn.Config(
                    application(firehose),
                    lifespan="off",
                    ws="none",
                    log_config=None,
                    log_level="warning",
                    timeout_keep_alive=60,
                    timeout_graceful_shutdown=5,
                )
            )
            self._http.should_exit = self._stopping.is_set()
            async with asyncio.TaskGroup() as tasks:
                ticking = tasks.create_task(_tick(streams))
                await self._http.serve(sockets=[listener])
                ticking.cancel()
            self._stopping.set()
            return sum(
                await asyncio.gather(*(stream.close(self._grace_seconds) for stream in streams))
            )


async def _tick(streams: Iterable[LocalStream]) -> None:
    while True:
        for stream in streams:
            stream.tick()
        await asyncio.sleep(TICK_SECONDS)
