from pathlib import Path

from local.pipe.status import ShardStatus, Status, StatusFile, read_status


def test_the_status_is_replaced_at_most_twice_a_second(tmp_path: Path) -> None:
    status = Status(pipe="changes", stream_arn="arn", started_at=0)
    file = StatusFile(tmp_path)
    seen = []
    for tenth in range(12):
        status.read = tenth
        file.write(status, tenth / 10)
        found = read_status(tmp_path)
        assert found is not None
        seen.append(found.read)
    assert seen == [0, 0, 0, 0, 0, 5, 5, 5, 5, 5, 10, 10]
    file.write(status, 1.2, force=True)
    assert read_status(tmp_path) == status


def test_the_status_is_plain_json_in_camel_case(tmp_path: Path) -> None:
    status = Status(pipe="changes", stream_arn="arn", started_at=1)
    status.shards["one"] = ShardStatus("7", oldest_in_hand_at=3.5)
    StatusFile(tmp_path).write(status, 4)
    text = (tmp_path / "status.json").read_text()
    assert '"deadLettered":0' in text
    assert '"shards":{"one":{"sequenceNumber":"7","oldestInHandAt":3.5,' in text


def test_what_is_in_hand_is_what_was_read_and_not_dealt_with() -> None:
    status = Status("changes", "arn", 0, read=9, filtered_out=1, delivered=2, dead_lettered=2)
    assert status.in_hand == 4


def test_without_a_file_there_is_no_status(tmp_path: Path) -> None:
    assert read_status(tmp_path) is None
