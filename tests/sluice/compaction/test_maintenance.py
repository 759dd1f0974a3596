"""What maintenance removes and rewrites, and what it leaves."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.catalog import CURRENT, HISTORY, ICEBERG_PREFIX
from sluice.compaction import files, maintenance
from sluice.compaction.maintenance import Maintained, Retention, maintain
from sluice.compaction.rows import EVENT_ID, SEQUENCE
from sluice.compaction.size import compacted_sizes, lake_size
from sluice.lake import keys
from tests.declaring import change
from tests.sluice.compaction.lake import Lake

LakeOf = Callable[[str], Lake]
KEEP = Retention(deleted=timedelta(days=36_500))
"""The changes of these lakes are years old."""
NOTHING = timedelta()


def sorted_rows(lake: Lake, name: str) -> list[dict[str, Any]]:
    return sorted(lake.rows(name), key=lambda row: (row[EVENT_ID], row[SEQUENCE]))


@pytest.mark.parametrize("file_rows", [files.FILE_ROWS, 7])
def test_changes_that_two_engines_wrote_twice_are_there_once_again(
    lake_of: LakeOf, monkeypatch: pytest.MonkeyPatch, file_rows: int
) -> None:
    monkeypatch.setattr(maintenance, "FILE_ROWS", file_rows)
    monkeypatch.setattr(files, "FILE_ROWS", file_rows)
    lake = lake_of("shop")
    lake.compact()
    assert maintain(lake.tables, KEEP).copies == 0
    rows, history = sorted_rows(lake, HISTORY), lake.tables.open(HISTORY)
    again = history.scan().to_arrow()
    history.append(again.slice(0, 9))
    history.append(again.slice(4, 9))
    assert maintain(lake.tables, KEEP).copies == 18
    assert sorted_rows(lake, HISTORY) == rows
    assert maintain(lake.tables, KEEP) == Maintained()


def test_small_files_are_written_together_and_no_row_is_lost(lake_of: LakeOf) -> None:
    lake = lake_of("shop")
    for number in range(6):
        lake.compact()
        lake.write([change(lake.items[0], 1_000 + number)])
    lake.compact()
    rows = sorted_rows(lake, HISTORY)
    files = compacted_sizes(lake.stack)[0].files
    result = maintain(lake.tables, KEEP)
    assert result.rewritten >= 6
    assert compacted_sizes(lake.stack)[0].files == files - result.rewritten + 1
    assert sorted_rows(lake, HISTORY) == rows
    assert maintain(lake.tables, KEEP) == Maintained()


def test_the_size_of_a_lake_is_of_its_objects_then_of_its_tables(lake_of: LakeOf) -> None:
    lake = lake_of("sensors")
    before = lake_size(lake.stack)
    assert (before.raw.files, before.history.rows, before.current.files) == (lake.objects, 0, 0)
    lake.compact()
    after = lake_size(lake.stack)
    assert (after.raw.files, after.raw.bytes) == (0, 0)
    assert (after.history.rows, after.current.rows) == (len(set(lake.payloads)), len(lake.items))
    for size, name in ((after.history, HISTORY), (after.current, CURRENT)):
        stored = dict(keys(lake.stack, f"{ICEBERG_PREFIX}{name}/data/"))
        assert (size.files, size.bytes) == (len(stored), sum(stored.values()))


def test_what_is_expired_goes_and_what_is_current_stays(lake_of: LakeOf) -> None:
    lake = lake_of("sensors")
    lake.compact()
    lake.write([change(lake.items[0], 2_000, "MODIFY")])
    lake.compact()
    tables = {name: sorted_rows(lake, name) for name in (HISTORY, CURRENT)}
    stray = f"{ICEBERG_PREFIX}{HISTORY}/data/of-a-killed-run.parquet"
    lake.stack.s3.put_object(Bucket=lake.stack.bucket, Key=stray, Body=b"half")

    assert maintain(lake.tables, KEEP) == Maintained()
    result = maintain(lake.tables, Retention(NOTHING, timedelta(seconds=-9), KEEP.deleted))
    assert result.snapshots >= 2
    assert result.files > 1
    assert stray not in dict(keys(lake.stack, ICEBERG_PREFIX))
    assert {name: sorted_rows(lake, name) for name in tables} == tables
    for name in tables:
        assert len(lake.tables.open(name).snapshots()) == 1


def test_a_deleted_record_is_forgotten_when_nothing_older_may_come(lake_of: LakeOf) -> None:
    lake = lake_of("sensors")
    lake.compact()
    rows = lake.rows(CURRENT)
    deleted = [row for row in rows if row["changetype"] == "REMOVE"]
    assert maintain(lake.tables, KEEP).deleted == 0
    latest = lake.ask("SELECT id, changesequence FROM last_changes WHERE changetype <> 'REMOVE'")
    assert maintain(lake.tables, Retention()).deleted == len(deleted) > 0
    assert [row["changetype"] for row in lake.rows(CURRENT)].count("REMOVE") == 0
    assert lake.ask("SELECT id, changesequence FROM last_changes") == latest
    assert len(lake.rows(HISTORY)) == len(set(lake.payloads))
