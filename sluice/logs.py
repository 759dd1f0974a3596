"""What the parts of a stack logged: log groups in CloudWatch, and files of a local run.

No part logs a payload, so nothing here has one.
"""

import os
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from heapq import merge
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import boto3
from msgspec import Struct

from sluice.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

PARTS = {
    "transform": "TransformLogName",
    "api": "ApiLogName",
    "compact": "CompactLogName",
    "pipe": "PipeLogName",
    "feed": "FeedLogName",
    "firehose": "FirehoseLogName",
}
"""The parts that log, each with the stack's output that names its log group."""

OPTIONAL = ("api", "compact", "pipe", "feed")
"""Those that a stack may lack."""

FOLDER_VARIABLE = "SLUICE_LOGS"
"""The environment variable that names the folder of a local run, with a file `<part>.log` each."""

_LOCAL_PARTS = {"feed": "mapping"}
"""The parts that a local run calls otherwise: it is what invokes the function that logs there."""

LATE_SECONDS = 60
"""How much later than its own time CloudWatch may show an event; it is asked for again so long."""

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(,[0-9]{3})?", re.ASCII)


class LogEntry(Struct, frozen=True):
    """One line or document that a part logged."""

    at: datetime
    part: str
    message: str


class LogSource(Protocol):
    """Where a part logs."""

    def read(self) -> Iterable[LogEntry]:
        """Return what was logged since the last reading, in the order of time."""


class LogGroup:
    """A log group in CloudWatch."""

    def __init__(
        self, client: "CloudWatchLogsClient", part: str, name: str, since: datetime
    ) -> None:
        self._client = client
        self._part = part
        self._name = name
        self._since_ms = round(since.timestamp() * 1000)
        self._seen: dict[str, int] = {}

    def read(self) -> Iterator[LogEntry]:
        """Yield what was not read before. Raises what botocore raises."""
        pages = self._client.get_paginator("filter_log_events").paginate(
            logGroupName=self._name, startTime=self._since_ms
        )
        newest = self._since_ms
        for page in pages:
            for event in page["events"]:
                at = event["timestamp"]
                # The emulator names no event that a function logged.
                id = event.get("eventId") or f"{event['logStreamName']} {at} {event['message']}"
                newest = max(newest, at)
                if id not in self._seen:
                    self._seen[id] = at
                    moment = datetime.fromtimestamp(at / 1000, UTC)
                    yield LogEntry(moment, self._part, event["message"].rstrip())
        self._since_ms = max(self._since_ms, newest - LATE_SECONDS * 1000)
        self._seen = {id: at for id, at in self._seen.items() if at >= self._since_ms}


class LogFile:
    """The log file of a part that runs on this machine. Its restart begins a new file."""

    def __init__(self, path: Path, part: str, since: datetime) -> None:
        self._path = path
        self._part = part
        self._since = since
        self._file = 0
        self._offset = 0
        self._at = datetime.fromtimestamp(0, UTC)

    def read(self) -> Iterator[LogEntry]:
        """Yield the whole lines that were not read before; none while there is no file."""
        try:
            with self._path.open("rb") as file:
                if (number := os.fstat(file.fileno()).st_ino) != self._file:
                    self._file, self._offset = number, 0
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            return
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            # A line without a time goes with the one before it.
            if time := _TIME.match(line):
                self._at = datetime.fromisoformat(time[0].replace(",", ".")).astimezone(UTC)
                line = line[time.end() :].lstrip()
            if self._at >= self._since:
                yield LogEntry(self._at, self._part, line.rstrip())


def parts_of(stack: Stack) -> tuple[str, ...]:
    """Return the parts that a stack has."""
    return tuple(
        part for part, name in PARTS.items() if part not in OPTIONAL or name in stack.outputs
    )


def log_sources(stack: Stack, parts: Iterable[str], since: datetime) -> list[LogSource]:
    """Return where these parts of a stack log. Raises OperationError for an output that misses."""
    client = boto3.client("logs")
    chosen = list(parts)
    sources: list[LogSource] = [
        LogGroup(client, part, stack.output(PARTS[part]), since) for part in chosen
    ]
    if folder := local_folder():
        files = {part: folder / f"{_LOCAL_PARTS.get(part, part)}.log" for part in chosen}
        sources += [LogFile(path, part, since) for part, path in files.items()]
    return sources


def local_folder() -> Path | None:
    """Return the folder in which the parts of a local run log, if the environment names one."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return Path(folder) if folder else None


def new_entries(sources: Iterable[LogSource]) -> Iterator[LogEntry]:
    """Yield what the sources have not yielded before, in the order of time."""
    return merge(*(source.read() for source in sources), key=lambda entry: entry.at)
