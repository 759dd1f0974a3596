"""Gathering, when something does not answer."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chalicelib.partitions import FEED_KEPT
from local.clock import Clock
from local.page.collector import damage
from local.page.lake import LakeReader
from local.page.snapshot import Snapshot
from local.stream.status import Status, StatusFile
from sluice.stack import Stack
from tests.sluice.recovery.failures import KEY


class LongAgo(Clock):
    def now(self) -> float:
        return 1.0


def test_parts_that_do_not_answer_are_named_and_stop_nothing(collector: Any) -> None:
    snapshot = collector.gather()
    problems = "\n".join(snapshot.problems)
    for part in ("Firehose", "table's stream", "bucket", "dead-letter", "catalog", "pipe"):
        assert part in problems
    assert snapshot.lake.objects == 0


def test_the_pipe_is_read_from_its_status_file_and_reported_when_stopped(
    collector: Any, tmp_path: Path
) -> None:
    status = Status("pipe", "arn", 0.0, read=7, delivered=5, filtered_out=1)
    StatusFile(tmp_path).write(status, LongAgo())
    snapshot = collector.gather()
    assert (snapshot.feed.delivered, snapshot.feed.in_hand) == (5, 1)
    assert any("pipe has stopped" in problem for problem in snapshot.problems)


def test_a_pipe_that_somebody_stopped_is_reported(collector: Any, tmp_path: Path) -> None:
    StatusFile(tmp_path).write(Status("pipe", "arn", 0.0, stopped=True), Clock())
    assert any("stop-pipe" in problem for problem in collector.gather().problems)


def test_damaged_objects_are_named() -> None:
    assert damage(["data/a.gz"]).startswith("data/a.gz cannot be read")
    assert damage(["data/a.gz", "data/b.gz"]).startswith("data/a.gz and 1 more cannot be read")


def test_a_mistake_in_the_page_is_reported_and_stops_nothing(
    collector: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def mistaken() -> int:
        raise TypeError("a bug")

    monkeypatch.setattr(collector, "_given_up", mistaken)
    snapshot = collector.gather()
    assert "The dead-letter queue cannot be read (TypeError: a bug)." in snapshot.problems
    assert "in mistaken" in caplog.text


def test_a_snapshot_that_cannot_be_drawn_does_not_end_the_gathering(
    collector: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    drawn: list[Snapshot] = []

    def publish(snapshot: Snapshot, _: Any) -> None:
        drawn.append(snapshot)
        if len(drawn) == 2:
            asyncio.current_task().cancel()  # type: ignore[union-attr]
        raise TypeError("a bug")

    monkeypatch.setattr(collector._broadcast, "publish", publish)
    monkeypatch.setattr("local.page.collector.GATHER_SECONDS", 0.0)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(collector.run())
    assert len(drawn) == 2
    assert "not updated" in caplog.text


def test_a_snapshot_is_plain_data(collector: Any) -> None:
    snapshot = collector.gather()
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot) == snapshot


def test_the_feed_function_and_its_failures_are_named_in_place_of_the_pipe(
    collector: Any, absent: Any
) -> None:
    absent.outputs["Feed"] = "function"
    snapshot = collector.gather()
    assert snapshot.feed_kind == "function"
    problems = "\n".join(snapshot.problems)
    assert "The local mapping has not started yet." in problems
    assert "The bucket does not answer" in problems
    assert "pipe" not in problems
    assert "dead-letter" not in problems


def test_what_the_feed_function_put_aside_is_given_up_and_not_passed_on(
    collector: Any, stack: Stack, tmp_path: Path
) -> None:
    stack.outputs["Feed"] = "function"
    collector._stack, collector._lake_reader = stack, LakeReader(stack)
    batch, change = KEY.format(1), f"{FEED_KEPT}2026/01/02/1"
    for key in ("errors/a", batch, change):
        stack.s3.put_object(Bucket=stack.bucket, Key=key)
    status = Status("mapping", "arn", 0.0, read=9, delivered=7, given_up=2)
    StatusFile(tmp_path).write(status, Clock())
    collector.gather()
    snapshot = collector.gather()
    assert (snapshot.feed.delivered, snapshot.feed.given_up, snapshot.feed.in_hand) == (6, 3, 0)
    assert (snapshot.given_up, snapshot.error_objects) == (2, 3)
    stack.s3.delete_object(Bucket=stack.bucket, Key=change)
    collector.look_again()
    collector.gather()
    snapshot = collector.gather()
    assert (snapshot.feed.delivered, snapshot.given_up) == (6, 1)
    StatusFile(tmp_path).write(Status("mapping", "arn", Clock().now() + 60, delivered=7), Clock())
    assert collector.gather().feed.delivered == 7
