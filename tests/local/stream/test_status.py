from pathlib import Path

import pytest

from local.stream.status import ShardStatus, Status, StatusFile, read_status
from tests.local.virtual_clock import VirtualClock


def test_the_status_is_replaced_at_most_twice_a_second(tmp_path: Path) -> None:
    status = Status(name="changes", stream_arn="arn", started_at=0)
    file = StatusFile(tmp_path)
    seen = []
    clock = VirtualClock()
    for eighth in range(9):
        status.read = eighth
        file.write(status, clock)
        clock.sleep(0.125)
        found = read_status(tmp_path)
        assert found is not None
        seen.append(found.read)
    assert seen == [0, 0, 0, 0, 4, 4, 4, 4, 8]
    file.write(status, clock, force=True)
    assert read_status(tmp_path) == status


def test_a_status_that_cannot_be_written_is_left_out_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    status, clock = Status(name="changes", stream_arn="arn", started_at=0), VirtualClock()
    file, obstacle = StatusFile(tmp_path), tmp_path / "status.json.new"
    obstacle.mkdir()
    file.write(status, clock)
    assert read_status(tmp_path) is None
    assert "status.json cannot be written" in caplog.text
    obstacle.rmdir()
    clock.sleep(1)
    file.write(status, clock)
    assert read_status(tmp_path) == status


def test_the_status_is_plain_json_in_camel_case(tmp_path: Path) -> None:
    status = Status(name="changes", stream_arn="arn", started_at=1)
    status.shards["one"] = ShardStatus("7", oldest_in_hand_at=3.5)
    StatusFile(tmp_path).write(status, VirtualClock())
    text = (tmp_path / "status.json").read_text()
    assert '"givenUp":0' in text
    assert '"shards":{"one":{"sequenceNumber":"7","oldestInHandAt":3.5,' in text


def test_what_is_in_hand_is_what_was_read_and_not_dealt_with() -> None:
    status = Status("changes", "arn", 0, read=9, filtered_out=1, delivered=2, given_up=2)
    assert status.in_hand == 4


def test_without_a_file_there_is_no_status(tmp_path: Path) -> None:
    assert read_status(tmp_path) is None
