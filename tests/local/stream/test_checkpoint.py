from pathlib import Path

import pytest

from local.stream.checkpoint import ShardPosition, StreamCheckpoint
from sluice.errors import OperationError

STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2023"


def test_positions_outlive_the_process(tmp_path: Path) -> None:
    first = StreamCheckpoint(tmp_path / "new" / "folder", STREAM)
    first.save("one", ShardPosition("1"))
    first.save("two", ShardPosition())
    first.save("one", ShardPosition("2", finished=True))
    again = StreamCheckpoint(tmp_path / "new" / "folder", STREAM)
    assert again.positions == {"one": ShardPosition("2", finished=True), "two": ShardPosition()}


def test_positions_in_another_stream_are_forgotten(tmp_path: Path) -> None:
    StreamCheckpoint(tmp_path, STREAM).save("one", ShardPosition("1"))
    assert StreamCheckpoint(tmp_path, STREAM + "4").positions == {}


def test_shards_the_stream_has_dropped_are_forgotten(tmp_path: Path) -> None:
    checkpoint = StreamCheckpoint(tmp_path, STREAM)
    checkpoint.save("one", ShardPosition("1", finished=True))
    checkpoint.save("two", ShardPosition("2"))
    checkpoint.keep_only({"two", "three"})
    assert StreamCheckpoint(tmp_path, STREAM).positions == {"two": ShardPosition("2")}


@pytest.mark.parametrize("content", [b'{"shards": 1}', b'{"stream_arn": "\xff"}'])
def test_a_file_that_is_no_checkpoint_is_named_with_the_remedy(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "checkpoint.json").write_bytes(content)
    with pytest.raises(OperationError, match=r"checkpoint\.json is not a checkpoint.*delete it"):
        StreamCheckpoint(tmp_path, STREAM)


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperationError, match="file"):
        StreamCheckpoint(tmp_path / "file", STREAM)


def test_a_reader_finds_the_old_positions_or_the_new_and_never_a_part(tmp_path: Path) -> None:
    checkpoint = StreamCheckpoint(tmp_path, STREAM)
    checkpoint.save("one", ShardPosition("1"))
    old = (tmp_path / "checkpoint.json").read_bytes()
    with (tmp_path / "checkpoint.json").open("rb") as reader:
        checkpoint.save("two", ShardPosition("2"))
        assert reader.read() == old


def test_a_crash_while_saving_leaves_the_old_positions(tmp_path: Path) -> None:
    checkpoint = StreamCheckpoint(tmp_path, STREAM)
    checkpoint.save("one", ShardPosition("1"))
    (tmp_path / "checkpoint.json.new").write_text('{"half":')
    assert StreamCheckpoint(tmp_path, STREAM).positions == {"one": ShardPosition("1")}
