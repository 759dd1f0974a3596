"""The feed of a running stack is changed, and changed back, under load: nothing is lost.

The new feed reads the table's stream from its oldest change on, so each change from before comes by
both, and the two can be compared. The rate of the load is printed, for a busy machine may not reach
the one that is meant.
"""

import itertools
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from chalicelib.schema import TABLE
from local.arrivals import Arrivals
from local.cdk import ROOT
from local.processes import captured
from local.session import Options, Session, deployed_stack, running
from sluice.seed import TableWriter
from sluice.stack import Stack

CHANGES_A_SECOND = 300
BATCH = 25
ITEMS = 500
"""So few that most changes are those of an item that is there."""


@dataclass
class Written:
    """The changes that were written, and in how many seconds."""

    changes: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        rate = self.changes / self.seconds
        return f"{self.changes:,} changes in {self.seconds:.0f} s: {rate:.0f} a second"


@contextmanager
def load(stack: Stack) -> Iterator[Written]:
    """Items are written all the time; yields how many were, in the end."""
    over, written = Event(), Written()
    writer = TableWriter(TABLE, stack.dynamodb, stack.output("TableName"))

    def write() -> None:
        began = time.monotonic()
        for start in itertools.count(0, BATCH):
            late = began + start / CHANGES_A_SECOND - time.monotonic()
            if over.wait(max(0, late)):
                return
            numbers = range(start, start + BATCH)
            records = [
                {
                    "id": f"feed-{number % ITEMS}",
                    "siteId": f"s{number % 7}",
                    "createdAtTime": 1700076551926,
                    "valueOne": number,
                    "name": '\N{SNOWMAN} " \\ \n',
                }
                for number in numbers
            ]
            writer.put(records)
            written.changes += BATCH
            written.seconds = time.monotonic() - began

    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write)
        try:
            yield written
        finally:
            over.set()
        writing.result()


def change_feed(session: Session, feed: str) -> None:
    """One deployment, as a person does it."""
    session.settings = (f"feed={feed}", "feed_window_seconds=1")
    session.redeploy(lambda _: None)
    assert deployed_stack(session.endpoint_url).feed == feed


def test_nothing_is_lost_from_pipe_to_function_to_pipe_and_both_write_the_same_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(Options(buffer_seconds=1), tmp_path, print) as session:
        for name, value in session.client.items():
            monkeypatch.setenv(name, value)
        stack = deployed_stack(session.endpoint_url)
        arrivals = Arrivals(session, stack)
        with load(stack) as written:
            for feed, part in (("function", "mapping"), ("pipe", "pipe")):
                change_feed(session, feed)
                assert {"pipe", "mapping"} & session.processes.keys() == {part}
        with capsys.disabled():
            print(f"\nunder a change of the feed: {written}")
        lines: dict[str, list[Any]] = defaultdict(list)

        def all_arrived() -> bool:
            arrivals.read()
            return len({line["eventId"] for line in arrivals.lines}) >= written.changes

        assert arrivals.wait(lambda _: all_arrived()), str(written)
        # The pipe reads the stream from its start once more.
        arrivals.wait(lambda status: status["buffered"] == 0)
        arrivals.read()
        for line in arrivals.lines:
            lines[line["eventId"]].append(line)
        assert len(lines) == written.changes
        copies = [each for each in lines.values() if len(each) > 1]
        assert len(copies) > BATCH
        assert all(line == first for first, *others in copies for line in others)
        verify = [sys.executable, "-m", "sluice", "verify", "--in-flight-seconds", "5"]
        status, output, errors = captured(verify, session.environment, ROOT)
        assert status == 0, output + errors
