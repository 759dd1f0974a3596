"""Gathering, when something does not answer."""

from pathlib import Path

import msgspec
import pytest

from local.page.collector import Collector, Sources
from local.page.commands import Sluice
from local.page.feed import Feed
from local.page.snapshot import Snapshot
from local.pipe.status import Status, StatusFile


@pytest.fixture
def collector(sources: Sources) -> Collector:
    return Collector(sources, Sluice("absent"), Feed(lambda _: {}))


def test_what_does_not_answer_is_told_and_stops_nothing(collector):
    snapshot = collector.gather()
    told = "\n".join(snapshot.problems)
    for part in ("Firehose", "table's stream", "bucket", "dead-letter", "catalog", "pipe"):
        assert part in told
    assert snapshot.lake.objects == 0


def test_the_pipe_is_known_by_its_status_file_and_a_stopped_one_is_told(collector, tmp_path: Path):
    status = Status("pipe", "arn", 0.0, read=7, delivered=5, filtered_out=1)
    StatusFile(tmp_path).write(status, 1.0)
    snapshot = collector.gather()
    assert (snapshot.pipe.delivered, snapshot.pipe.in_hand) == (5, 1)
    assert any("pipe has stopped" in problem for problem in snapshot.problems)


def test_a_snapshot_is_plain_data(collector):
    snapshot = collector.gather()
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot) == snapshot
