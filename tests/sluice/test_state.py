"""Files that keep how far a run is."""

from pathlib import Path

import pytest

from sluice.errors import OperationError
from sluice.state import StateFile


@pytest.fixture
def state(tmp_path: Path) -> StateFile[dict[str, int]]:
    return StateFile(tmp_path / "new" / "state.json", dict[str, int], "a state", "delete it")


def test_what_is_written_is_read(state: StateFile[dict[str, int]]) -> None:
    assert state.read() is None
    state.write({"a": 1})
    state.write({"b": 2})
    assert state.read() == {"b": 2}


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": "1"}', b'{"\xff": 1}'])
def test_another_file_is_refused_with_the_remedy(
    state: StateFile[dict[str, int]], content: bytes
) -> None:
    state.path.parent.mkdir()
    state.path.write_bytes(content)
    with pytest.raises(OperationError, match=r"state\.json is not a state .*; delete it"):
        state.read()


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    state = StateFile(tmp_path / "file" / "state", dict[str, int], "a state", "delete it")
    with pytest.raises(OperationError, match="cannot be read"):
        state.read()
    with pytest.raises(OperationError, match=r"cannot be written: .*; give it a place") as refused:
        state.write({})
    assert "delete it" not in str(refused.value)
