from pathlib import Path

import pytest

from sluice.backfill.checkpoint import BackfillCheckpoint
from sluice.errors import OperationError


def test_there_is_none_before_the_first_run(tmp_path: Path) -> None:
    assert BackfillCheckpoint.load(tmp_path / "file.json", "table") is None


def test_the_next_run_finds_what_was_noted(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file.json"
    checkpoint = BackfillCheckpoint.begin(path, "table", ["0/2", "1/2"])
    checkpoint.advance("0/2", '{"id":{"S":"ö"}}', 3)
    checkpoint.advance("0/2", '{"id":{"S":"p"}}', 2, ['{"id":{"S":"large"}}'])
    checkpoint.advance("1/2", None, 1)
    found = BackfillCheckpoint.load(path, "table")
    assert found is not None
    assert found.parts == checkpoint.parts
    assert (found.parts["0/2"].after, found.parts["0/2"].done) == ('{"id":{"S":"p"}}', False)
    assert found.parts["1/2"].done
    assert (found.items, found.done) == (6, False)
    assert found.too_large == ['{"id":{"S":"large"}}']


def test_that_of_another_table_is_refused_with_the_remedy(tmp_path: Path) -> None:
    BackfillCheckpoint.begin(tmp_path / "file.json", "one table", ["0/1"])
    with pytest.raises(OperationError, match=r"one table, not of another; .*--restart"):
        BackfillCheckpoint.load(tmp_path / "file.json", "another")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"source": "table"}',
        b'{"source": "\xff"}',
        b'{"source": "table", "parts": {"0/1": {"items": -1}}}',
        b'{"source": "table", "parts": {"0/1": {"after": "x", "done": true}}}',
        b'{"source": "table", "parts": {}, "too_large": ["x"]}',
        b'{"source": "table", "parts": {}, "too_large": ["{\\"id\\":{}}"]}',
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(OperationError, match="not a checkpoint of a backfill"):
        BackfillCheckpoint.load(path, "table")


def test_a_place_that_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperationError, match="cannot be written"):
        BackfillCheckpoint.begin(tmp_path / "file" / "checkpoint.json", "table", ["0/1"])
    with pytest.raises(OperationError, match="cannot be read"):
        BackfillCheckpoint.load(tmp_path, "table")


def test_a_reader_finds_the_old_positions_or_the_new_and_never_a_part(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    checkpoint = BackfillCheckpoint.begin(path, "table", ["0/1"])
    old = path.read_bytes()
    with path.open("rb") as reader:
        checkpoint.advance("0/1", "x" * 10_000, 1)
        assert reader.read() == old
    assert path.read_bytes() != old


def test_positions_that_the_source_cannot_go_on_from_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    BackfillCheckpoint.begin(path, "table", ["0/1"])
    assert BackfillCheckpoint.load(path, "table", lambda places: places == {"0/1": None})
    with pytest.raises(OperationError, match=r"file.json has positions that no .*--restart"):
        BackfillCheckpoint.load(path, "table", lambda _: False)
