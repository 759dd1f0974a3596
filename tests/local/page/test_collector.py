"""Gathering, when something does not answer."""

from pathlib import Path
from typing import Any

import msgspec

from local.page.snapshot import Snapshot
from local.pipe.status import Status, StatusFile


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
    StatusFile(tmp_path).write(status, 1.0)
    snapshot = collector.gather()
    assert (snapshot.pipe.delivered, snapshot.pipe.in_hand) == (5, 1)
    assert any("pipe has stopped" in problem for problem in snapshot.problems)


def test_a_snapshot_is_plain_data(collector: Any) -> None:
    snapshot = collector.gather()
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot) == snapshot
