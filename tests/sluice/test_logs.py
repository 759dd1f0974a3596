"""What the parts of a stack logged, from CloudWatch and from files."""

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from click.testing import CliRunner

from sluice.cli import sluice
from sluice.logs import (
    FOLDER_VARIABLE,
    PARTS,
    LogEntry,
    LogFile,
    LogGroup,
    log_sources,
    new_entries,
    parts_of,
)
from sluice.stack import Stack

LONG_AGO = datetime.fromtimestamp(0, UTC)
Put = Callable[..., None]


@pytest.fixture
def group(emulator: str, aws_environment: pytest.MonkeyPatch) -> str:
    """The name of a log group in the emulator, with one log stream."""
    aws_environment.setenv("AWS_ENDPOINT_URL", emulator)
    name = f"/test/{uuid.uuid4()}"
    client = boto3.client("logs")
    client.create_log_group(logGroupName=name)
    client.create_log_stream(logGroupName=name, logStreamName="stream")
    return name


@pytest.fixture
def put(group: str) -> Put:
    """Logs messages in the group, so many seconds ago."""
    client = boto3.client("logs")

    def put(*messages: str, ago: float = 0) -> None:
        at = round((time.time() - ago) * 1000)
        client.put_log_events(
            logGroupName=group,
            logStreamName="stream",
            logEvents=[{"timestamp": at, "message": message} for message in messages],
        )

    return put


def messages(source: LogGroup | LogFile) -> list[str]:
    return [entry.message for entry in source.read()]


def test_a_log_group_is_read_on_from_where_the_last_reading_ended(group: str, put: Put) -> None:
    source = LogGroup(boto3.client("logs"), "api", group, datetime.now(UTC) - timedelta(minutes=5))
    put("long ago", ago=600)
    put("one", "two\n", ago=2)
    assert messages(source) == ["one", "two"]
    assert messages(source) == []
    put("late", ago=10)
    put("three")
    assert messages(source) == ["late", "three"]


def test_a_file_is_read_line_by_line_and_a_torn_line_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "pipe.log"
    source = LogFile(path, "pipe", LONG_AGO)
    assert messages(source) == []
    path.write_text("2026-11-26 12:00:00,250 pipe: one\n  more of it\n2026-11-26 12:00:01,0")
    assert messages(source) == ["pipe: one", "  more of it"]
    with path.open("a") as file:
        file.write("00 pipe: two\n")
    assert messages(source) == ["pipe: two"]


def test_a_file_of_a_restarted_part_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "pipe.log"
    source = LogFile(path, "pipe", LONG_AGO)
    path.write_text("a long line of the first run\n")
    assert messages(source) == ["a long line of the first run"]
    path.rename(tmp_path / "pipe.1.log")
    path.write_text("short\n")
    assert messages(source) == ["short"]


def test_lines_of_a_file_before_the_moment_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "pipe.log"
    path.write_text("2026-11-26 12:00:00,250 old\nwith it\n2026-11-26 12:00:02 new\nand more\n")
    since = datetime(2026, 11, 26, 12, 0, 1).astimezone(UTC)
    assert messages(LogFile(path, "pipe", since)) == ["new", "and more"]


def test_entries_of_several_sources_come_in_the_order_of_time() -> None:
    def entry(second: int, part: str) -> LogEntry:
        return LogEntry(datetime.fromtimestamp(second, UTC), part, "")

    class Fixed:
        def __init__(self, *entries: LogEntry) -> None:
            self._entries = entries

        def read(self) -> tuple[LogEntry, ...]:
            return self._entries

    read = new_entries([Fixed(entry(1, "api"), entry(3, "api")), Fixed(entry(2, "pipe"))])
    assert [each.part for each in read] == ["api", "pipe", "api"]


def test_a_local_run_has_a_file_of_each_part_beside_the_log_groups(
    aws_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stack = Stack("Sluice-local", {"PipeLogName": "pipes", "FeedLogName": "feed"})
    for part, name in {"pipe": "pipe", "feed": "mapping"}.items():
        aws_environment.delenv(FOLDER_VARIABLE, raising=False)
        (only,) = log_sources(stack, [part], LONG_AGO)
        assert isinstance(only, LogGroup)
        aws_environment.setenv(FOLDER_VARIABLE, str(tmp_path))
        (_, file) = log_sources(stack, [part], LONG_AGO)
        (tmp_path / f"{name}.log").write_text("started\n")
        assert [entry.message for entry in file.read()] == ["started"]


def test_a_stack_has_one_feed_and_may_lack_an_api_and_a_compaction() -> None:
    assert parts_of(Stack("Sluice-test", {"PipeLogName": "p"})) == ("transform", "pipe", "firehose")
    assert parts_of(Stack("Sluice-test", {"FeedLogName": "f"})) == ("transform", "feed", "firehose")
    assert parts_of(Stack("Sluice-test", dict.fromkeys(PARTS.values(), "g"))) == tuple(PARTS)


def test_an_unknown_part_is_a_wrong_option() -> None:
    assert CliRunner().invoke(sluice, ["logs", "--part", "table"]).exit_code == 2
