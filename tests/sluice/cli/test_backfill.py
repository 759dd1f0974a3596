"""What a backfill prints at its end."""

from pathlib import Path

import pytest

from sluice.backfill.checkpoint import BackfillCheckpoint
from sluice.cli.backfill import report
from sluice.errors import OperationError
from tests.declaring import worked


@pytest.mark.parametrize(
    ("name", "noted", "keys"),
    [
        ("shop", '{"pk":{"S":"ORDER#9"},"sk":{"S":"ITEM#1"}}', "ORDER#9 ITEM#1"),
        ("meters", '{"meter":{"S":"E1"},"ts":{"N":"1777885200"}}', "E1 1777885200"),
        ("blobs", '{"hash":{"B":"AP+8"}}', "AP+8"),
    ],
)
def test_an_item_that_is_too_large_is_named_by_its_key(
    tmp_path: Path, name: str, noted: str, keys: str
) -> None:
    checkpoint = BackfillCheckpoint.begin(tmp_path / "checkpoint.json", "source", ["0/1"])
    checkpoint.advance("0/1", None, 3, [noted])
    with pytest.raises(OperationError, match=r"^1 item above .* into the lake: ") as refused:
        report(worked(name), checkpoint, 0, as_json=False)
    assert f": {keys}; all" in str(refused.value)
