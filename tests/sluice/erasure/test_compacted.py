"""An erasure from the compacted tables: no byte of any file below them keeps a key."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from pyiceberg.manifest import write_manifest

from chalicelib.catalog import CURRENT, HISTORY, ICEBERG_PREFIX
from chalicelib.keys import Texts, texts_of
from sluice.compaction.maintenance import Retention, maintain
from sluice.compaction.rows import EVENT_ID
from sluice.compaction.run import compact as compact_objects
from sluice.erasure.rows import row_changes
from sluice.errors import OperationError
from sluice.items import Item
from tests.declaring import WORKED, change, items_of
from tests.sluice.compaction.lake import Lake
from tests.sluice.erasure.bucket import Bucket, history, quoted
from tests.sluice.erasure.conftest import BucketOf

DECLARATIONS = sorted(file.stem for file in WORKED.glob("*.py"))
NEVER = timedelta(days=36_500)
"""The changes of these lakes are years old."""


class KilledError(Exception):
    """The end of a run at some moment."""


def lake_of(bucket: Bucket) -> Lake:
    return Lake(bucket.stack, bucket.table, [], [])


def compact(bucket: Bucket, payloads: Iterable[bytes]) -> None:
    bucket.deliver(list(payloads))
    assert lake_of(bucket).compact().kept == 0


def rows_of(bucket: Bucket, items: Iterable[Item]) -> dict[str, list[dict[str, Any]]]:
    """The rows of both tables that are of these items."""
    keys = {texts_of(bucket.table, item) for item in items}
    result = {}
    for name in (HISTORY, CURRENT):
        iceberg = lake_of(bucket).tables.find(name)
        assert iceberg is not None
        rows = iceberg.scan().to_arrow()
        changes = row_changes(bucket.table)(rows)
        of_keys = [
            row for row, each in zip(rows.to_pylist(), changes, strict=True) if each.key in keys
        ]
        result[name] = sorted(of_keys, key=lambda row: row[EVENT_ID])
    return result


def below_the_tables(bucket: Bucket) -> bytes:
    contents = bucket.contents().items()
    named = [key for key, _ in bucket.versions() if key.startswith(ICEBERG_PREFIX)]
    bodies = [body for (key, _), body in contents if key.startswith(ICEBERG_PREFIX)]
    return b"\n".join([*bodies, *(name.encode() for name in named)])


def fill(bucket: Bucket, items: list[Item]) -> None:
    """Compact three times, so that old states have manifests and files that later ones lack."""
    for round_ in range(3):
        compact(
            bucket,
            [change(item, 100 * n + round_, ("INSERT", "MODIFY", "REMOVE")[round_])
             for n, item in enumerate(items)],
        )  # fmt: skip
    bucket.deliver([change(item, 100 * n + 3, "REMOVE") for n, item in enumerate(items)])


def keys_of(bucket: Bucket, items: Iterable[Item]) -> list[Texts]:
    return [texts_of(bucket.table, item) for item in items]


@pytest.mark.parametrize(
    ("name", "maintained"), [("sensors", False), *((name, True) for name in DECLARATIONS)]
)
def test_no_byte_below_the_tables_has_an_erased_key_and_all_other_rows_are_as_before(
    bucket_of: BucketOf, name: str, maintained: bool
) -> None:
    bucket = bucket_of(name)
    items = items_of(bucket.table, 7)
    gone, others = items[::3], [item for n, item in enumerate(items) if n % 3]
    fill(bucket, items)
    if maintained:
        # Versions of deleted files, and entries of files that are no more.
        maintain(lake_of(bucket).tables, Retention(timedelta(), timedelta(seconds=-9), NEVER))
    before = rows_of(bucket, others)
    assert quoted(bucket.table, keys_of(bucket, items), below_the_tables(bucket)) == set(
        keys_of(bucket, items)
    )

    erased = bucket.erase(gone)

    left = quoted(bucket.table, keys_of(bucket, items), below_the_tables(bucket))
    assert left == set(keys_of(bucket, others))
    assert quoted(bucket.table, keys_of(bucket, gone), bucket.bytes()) == set()
    assert rows_of(bucket, others) == before
    assert not any(rows_of(bucket, gone).values())
    assert erased.places[ICEBERG_PREFIX].objects > 0
    assert erased.left == 0
    verification = bucket.erasure(gone)
    verification.verify(lambda _: None)
    assert verification.findings.holding == 0
    lake_of(bucket).compact()
    assert rows_of(bucket, gone) == {HISTORY: [], CURRENT: []}


def test_no_bound_of_a_column_keeps_what_it_holds_of_a_long_key(bucket: Bucket) -> None:
    items = [
        {**item, "id": {"S": f"{letter * 20}@example.org"}}
        for item, letter in zip(items_of(bucket.table, 5), "abcde", strict=True)
    ]
    fill(bucket, items)
    assert b"aaaaaaaaaaaaaaab" in below_the_tables(bucket)
    bucket.erase([items[0], items[-1]])
    everything = below_the_tables(bucket)
    assert b"aaaaaaa" not in everything
    assert b"eeeeeee" not in everything
    assert b"bbbbbbb" in everything


def test_ended_at_any_step_it_goes_on_and_nothing_is_left(bucket: Bucket) -> None:
    items = items_of(bucket.table, 6)
    gone, others = items[:2], items[2:]
    fill(bucket, items)
    before = rows_of(bucket, others)
    steps = count()
    killed = 0

    def step(**_: Any) -> None:
        if next(steps) == killed:
            raise KilledError

    for events in (bucket.stack.s3.meta.events, bucket.stack.glue.meta.events):
        for call in ("s3.DeleteObjects", "glue.UpdateTable"):
            events.register(f"provide-client-params.{call}", step)
            events.register(f"after-call.{call}", step)
    while True:
        steps = count()
        try:
            bucket.erase(gone)
        except KilledError:
            killed += 1
            assert rows_of(bucket, others) == before
        else:
            break
    assert killed > 6
    assert quoted(bucket.table, keys_of(bucket, gone), bucket.bytes()) == set()
    assert rows_of(bucket, others) == before


def test_another_run_that_deletes_what_this_one_was_about_to_read_is_no_harm(
    bucket: Bucket,
) -> None:
    items = items_of(bucket.table, 6)
    gone, others = items[:2], items[2:]
    fill(bucket, items)
    before = rows_of(bucket, others)
    erasure = bucket.erasure(gone)
    erasure.search(lambda _: None)
    is_alone = iter([True])

    def interrupt(params: Any, **_: Any) -> None:
        if params["Key"].endswith(".parquet") and next(is_alone, False):
            bucket.erase(gone)

    bucket.stack.s3.meta.events.register("provide-client-params.s3.GetObject", interrupt)
    assert erasure.erase(lambda _: None).left == 0
    assert not list(is_alone)
    assert quoted(bucket.table, keys_of(bucket, gone), bucket.bytes()) == set()
    assert rows_of(bucket, others) == before


def test_a_compaction_that_commits_between_is_asked_for_what_it_brought(bucket: Bucket) -> None:
    items = items_of(bucket.table, 4)
    fill(bucket, items)
    late = change(items[0], 1, "MODIFY")
    commits: list[str] = []

    def compact_first(**_: Any) -> None:
        if not commits:
            commits.append("one")
            compact(bucket, [late, change(items[1], 101, "MODIFY")])

    bucket.stack.glue.meta.events.register("provide-client-params.glue.UpdateTable", compact_first)
    bucket.erase(items[:1])
    assert commits
    assert not any(rows_of(bucket, items[:1]).values())
    assert quoted(bucket.table, keys_of(bucket, items[:1]), bucket.bytes()) == set()
    assert len(rows_of(bucket, items[1:])[HISTORY]) == 9 + 3


def test_a_compaction_that_read_a_key_before_its_erasure_does_not_bring_it_back(
    bucket: Bucket,
) -> None:
    items = items_of(bucket.table, 3)
    fill(bucket, items)
    lake_of(bucket).compact()
    bucket.deliver([change(items[0], 9, "REMOVE"), change(items[1], 109, "REMOVE")])
    commits: list[str] = []

    def erase_first(**_: Any) -> None:
        if not commits:
            commits.append("one")
            # The file that was about to be committed goes too.
            assert bucket.erase(items[:1]).left == 0

    bucket.stack.glue.meta.events.register("provide-client-params.glue.UpdateTable", erase_first)
    lake_of(bucket).compact()
    assert commits
    assert not any(rows_of(bucket, items[:1]).values())
    assert len(rows_of(bucket, items[1:2])[HISTORY]) == 5
    assert not quoted(bucket.table, keys_of(bucket, items[:1]), bucket.bytes())


@pytest.mark.parametrize("moment", ["their listing", "their reading"])
def test_a_compaction_whose_objects_an_erasure_deletes_or_replaces_loses_and_brings_back_nothing(
    bucket: Bucket, moment: str
) -> None:
    gone, *others = items_of(bucket.table, 3)
    same_place = {name: gone[name] for name in ("siteId", "createdAtTime")}
    others = [{**item, **same_place} for item in others]
    lone = bucket.deliver(history(gone, 1))
    mixed = bucket.deliver(
        [change(gone, 4, "REMOVE"), *(change(item, 50 + n) for n, item in enumerate(others))]
    )
    lake = lake_of(bucket)
    stored = lake.stored()
    assert {each.key for each in stored} == {*lone, *mixed}
    reads = count()

    def erase(**_: Any) -> None:
        if next(reads) == 0:
            assert bucket.erase([gone]).left == 0
            left = {each.key for each in lake.stored()}
            assert left == set(mixed)

    if moment == "their listing":
        erase()
    else:
        bucket.stack.glue.meta.events.register("provide-client-params.glue.CreateTable", erase)
    problems: list[str] = []
    done = compact_objects(lake.tables, stored, problems)

    assert next(reads) > 0
    assert (problems, done.kept, lake.stored()) == ([], 0, [])
    assert len(rows_of(bucket, others)[HISTORY]) == len(others)
    assert not any(rows_of(bucket, [gone]).values())
    assert quoted(bucket.table, keys_of(bucket, [gone]), bucket.bytes()) == set()


def test_a_file_that_no_state_has_goes_too(bucket: Bucket) -> None:
    items = items_of(bucket.table, 3)
    fill(bucket, items)
    table = lake_of(bucket).tables.find(HISTORY)
    assert table is not None
    (task, *_) = table.scan().plan_files()
    _, _, key = task.file.file_path.removeprefix("s3://").partition("/")
    body = bucket.stack.s3.get_object(Bucket=bucket.stack.bucket, Key=key)["Body"].read()
    stray = bucket.put(f"{ICEBERG_PREFIX}{HISTORY}/data/stray.parquet", body)
    assert bucket.erase(items).left == 0
    assert stray not in dict(bucket.versions())
    assert quoted(bucket.table, keys_of(bucket, items), bucket.bytes()) == set()


def test_a_manifest_that_says_of_live_files_and_of_one_that_is_no_more_is_written_anew(
    bucket: Bucket,
) -> None:
    items = items_of(bucket.table, 4)
    gone, others = items[:1], items[1:]
    fill(bucket, items)
    tables = lake_of(bucket).tables
    iceberg = tables.find(HISTORY)
    assert iceberg is not None
    had = iceberg.current_snapshot()
    assert had is not None
    (of_key, *_) = [
        entry
        for manifest in had.manifests(iceberg.io)
        for entry in manifest.fetch_manifest_entry(iceberg.io)
        if gone[0]["id"]["S"].encode() in entry.data_file.lower_bounds.values()
    ]
    bucket.erase(gone)
    before = rows_of(bucket, others)
    # As Athena leaves it: pyiceberg keeps the two apart.
    iceberg.refresh()
    snapshot = iceberg.current_snapshot()
    assert snapshot is not None
    manifest = snapshot.manifests(iceberg.io)[-1]
    live = manifest.fetch_manifest_entry(iceberg.io)
    with write_manifest(
        2, iceberg.spec(), iceberg.schema(), iceberg.io.new_output(manifest.manifest_path),
        snapshot.snapshot_id, "deflate",
    ) as writer:  # fmt: skip
        for entry in live:
            writer.existing(entry)
        writer.delete(of_key)
    verification = bucket.erasure(gone)
    verification.verify(lambda _: None)
    assert verification.findings.holding == 1

    assert bucket.erase(gone).left == 0

    assert quoted(bucket.table, keys_of(bucket, gone), below_the_tables(bucket)) == set()
    assert rows_of(bucket, others) == before


def test_a_tag_that_keeps_a_key_is_named_and_can_still_be_read(bucket: Bucket) -> None:
    items = items_of(bucket.table, 3)
    fill(bucket, items)
    iceberg = lake_of(bucket).tables.find(HISTORY)
    assert iceberg is not None
    snapshot = iceberg.current_snapshot()
    assert snapshot is not None
    iceberg.manage_snapshots().create_tag(snapshot.snapshot_id, "audit").commit()
    count = iceberg.scan(snapshot_id=snapshot.snapshot_id).count()
    with pytest.raises(OperationError, match="branch or tag 'audit', which keeps changes"):
        bucket.erase(items[:1])
    iceberg.refresh()
    assert iceberg.scan(snapshot_id=snapshot.snapshot_id).to_arrow().num_rows == count
    iceberg.manage_snapshots().remove_tag("audit").commit()
    assert bucket.erase(items[:1]).left == 0
    assert quoted(bucket.table, keys_of(bucket, items[:1]), bucket.bytes()) == set()


def test_of_a_correction_the_latest_state_stays(bucket: Bucket) -> None:
    first, other = items_of(bucket.table, 2)
    compact(bucket, [change(first, 1), change(other, 50)])
    compact(bucket, [change(first, 2, "MODIFY")])
    bucket.put_item(first)
    before = rows_of(bucket, [other])
    bucket.erase([first], keep_latest=True)
    left = rows_of(bucket, [first])
    assert [row["changetype"] for row in left[HISTORY]] == ["MODIFY"]
    assert [row["changetype"] for row in left[CURRENT]] == ["MODIFY"]
    assert rows_of(bucket, [other]) == before
