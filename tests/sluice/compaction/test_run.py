"""Compaction of lakes of worked declarations, in the emulator's S3 and Glue."""

import gzip
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.catalog import CURRENT, HISTORY, key_columns, partition_columns
from chalicelib.declaration import EPOCH_MS_MAX
from chalicelib.declared import load
from chalicelib.objects import Stored
from sluice.compaction import files, rows, run
from sluice.compaction.rows import EVENT_ID, SEQUENCE
from sluice.compaction.run import compact, older_objects
from sluice.errors import OperationError
from sluice.query.part import LakePart, level_values, narrow
from sluice.query.saved import saved_queries, saved_query
from sluice.stack import Stack
from tests.declaring import WORKED, change, items_of, schema_outputs
from tests.sluice.compaction.lake import COUNT, Lake

SHAPES = sorted(file.stem for file in WORKED.glob("*.py"))


def folders(key: str) -> list[str]:
    """The values of year, month and day in an object's key."""
    values = dict(part.split("=", 1) for part in key.split("/")[1:-1])
    return [values[name] for name in ("year", "month", "day")]


@pytest.mark.parametrize("name", SHAPES)
def test_every_change_is_in_history_once_and_the_last_of_each_key_is_current(
    lake_of: Callable[[str], Lake], name: str
) -> None:
    lake = lake_of(name)
    result = lake.compact()
    assert lake.stored() == []
    assert result.lines == len(lake.payloads)
    assert result.appended == len(set(lake.payloads))
    ids = [row[EVENT_ID] for row in lake.rows(HISTORY)]
    assert len(ids) == len(set(ids)) == len(set(lake.payloads))
    keys = key_columns(lake.table)
    current = {tuple(row[key] for key in keys): row[SEQUENCE] for row in lake.rows(CURRENT)}
    assert current == lake.latest()
    assert len(current) == COUNT


@pytest.mark.parametrize("name", SHAPES)
def test_questions_have_the_same_answers_before_between_and_after(
    lake_of: Callable[[str], Lake], name: str
) -> None:
    lake = lake_of(name)
    queries = [each.sql for each in saved_queries(lake.table).values() if not each.parameters]
    queries = [sql for sql in queries if not sql.startswith(("-- Duplicates", "-- Largest"))]
    queries += ["SELECT DISTINCT * FROM changes", "SELECT count(DISTINCT eventid) FROM all_changes"]
    before = [lake.ask(sql) for sql in queries]
    compact(lake.tables, lake.stored()[::2], [])
    assert [lake.ask(sql) for sql in queries] == before
    lake.compact()
    assert [lake.ask(sql) for sql in queries] == before


def test_what_a_killed_run_left_is_the_work_of_the_next(lake_of: Callable[[str], Lake]) -> None:
    lake = lake_of("sensors")
    stored = lake.stored()
    bodies = {
        each.key: lake.stack.s3.get_object(Bucket=lake.stack.bucket, Key=each.key)["Body"].read()
        for each in stored
    }
    lake.compact()
    current = lake.rows(CURRENT)
    for key, body in bodies.items():  # As if the run had ended before it deleted them.
        lake.stack.s3.put_object(Bucket=lake.stack.bucket, Key=key, Body=body)
    assert lake.compact().appended == 0
    assert lake.stored() == []
    assert len(lake.rows(HISTORY)) == len(set(lake.payloads))
    assert lake.rows(CURRENT) == current


def test_an_older_change_that_comes_late_is_history_and_not_current(
    lake_of: Callable[[str], Lake],
) -> None:
    lake = lake_of("meters")
    lake.compact()
    before = lake.rows(CURRENT)
    late = change(lake.items[1], 5)
    lake.write([late])
    assert lake.compact().appended == 1
    assert lake.rows(CURRENT) == before
    assert len(lake.rows(HISTORY)) == len(set(lake.payloads)) + 1


def test_two_runs_at_once_do_each_others_work_and_no_harm(lake_of: Callable[[str], Lake]) -> None:
    lake = lake_of("sensors")
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(lake.compact) for _ in range(2)]
        assert sum(run.result().appended for run in runs) == len(set(lake.payloads))
    ids = [row[EVENT_ID] for row in lake.rows(HISTORY)]
    assert len(ids) == len(set(ids)) == len(set(lake.payloads))
    assert lake.stored() == []


def test_objects_are_chosen_by_age_and_by_day_of_event_time(
    lake_of: Callable[[str], Lake],
) -> None:
    lake = lake_of("sensors")
    stored = lake.stored()
    assert not list(older_objects(lake.stack, datetime.now(UTC) - timedelta(hours=1)))
    soon = datetime.now(UTC) + timedelta(hours=1)
    days = {datetime.strptime("/".join(folders(each.key)), "%Y/%m/%d") for each in stored}
    chosen = [each for day in sorted(days) for each in older_objects(lake.stack, soon, day.date())]
    assert sorted(each.key for each in chosen) == sorted(each.key for each in stored)
    for day in days:
        of_day = older_objects(lake.stack, soon, day.date())
        assert {tuple(folders(each.key)) for each in of_day} == {
            (f"{day:%Y}", f"{day:%m}", f"{day:%d}")
        }
    lake.stack.__dict__["table"] = lake.table.with_layout(["siteId", "year"])
    with pytest.raises(OperationError, match="no month and no day"):
        older_objects(lake.stack, soon, date(2026, 1, 1))


@pytest.mark.parametrize(
    "broken",
    [
        b"\x1f\x8bno gzip",
        b'{"id":',
        {"valueOne": "abc"},
        {"valueOne": 1.5},
        {"valueOne": 2**63},
        {"createdAtTime": EPOCH_MS_MAX + 1},
        {"createdAtTime": -1},
        {"changedAt": 2**62},
        {"expired": 1},
    ],
    ids=repr,
)
def test_an_object_that_cannot_be_read_whole_stays_and_is_named_and_counts_once(
    lake_of: Callable[[str], Lake], broken: Any
) -> None:
    lake = lake_of("sensors")
    key, size = lake.stored()[0].key, lake.objects
    whole = gzip.decompress(
        lake.stack.s3.get_object(Bucket=lake.stack.bucket, Key=key)["Body"].read()
    )
    bad = broken
    if isinstance(broken, dict):
        bad = msgspec.json.encode(msgspec.json.decode(whole.splitlines()[0]) | broken)
    body = bad if bad.startswith(b"\x1f") else gzip.compress(whole + bad)
    lake.stack.s3.put_object(Bucket=lake.stack.bucket, Key=key, Body=body)
    before = lake.ask("SELECT eventid FROM all_changes")
    problems: list[str] = []
    result = lake.compact(problems)
    assert (result.objects, result.kept) == (size - 1, 1)
    assert [each.key for each in lake.stored()] == [key]
    assert len(problems) == 1
    assert key in problems[0]
    # Lines that come twice in the lake are there once after it.
    after = lake.ask("SELECT eventid FROM all_changes")
    assert set(after) == set(before)
    assert len(after) <= len(before)
    assert lake.compact(problems).appended == 0


def test_a_column_of_text_has_the_json_of_any_other_value(lake_of: Callable[[str], Lake]) -> None:
    lake = lake_of("sensors")
    key = lake.stored()[0].key
    whole = gzip.decompress(
        lake.stack.s3.get_object(Bucket=lake.stack.bucket, Key=key)["Body"].read()
    )
    line = msgspec.json.decode(whole.splitlines()[0]) | {"name": {"a": 1}, "eventId": "other"}
    body = gzip.compress(msgspec.json.encode(line))
    lake.stack.s3.put_object(Bucket=lake.stack.bucket, Key=f"{key}-other", Body=body)
    asked = "SELECT name FROM all_changes WHERE eventid = 'other'"
    before = lake.ask(asked)
    assert lake.compact().kept == 0
    assert lake.ask(asked) == before == ["('{\"a\":1}',)"]


def test_a_field_that_is_declared_later_is_a_column_later(
    lake_of: Callable[[str], Lake], aws_environment: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    lake = lake_of("sensors")
    lake.compact()
    file = tmp_path / "grown.py"
    source = (WORKED / "sensors.py").read_text()
    file.write_text(
        source.replace("    name: Annotated", "    colour: str = ''\n    name: Annotated")
    )
    aws_environment.setenv("SLUICE_SCHEMA", str(file))

    grown = Lake(lake.stack, load(file), [], [])
    grown.stack = Stack(lake.stack.name, {**lake.stack.outputs, **schema_outputs(grown.table)})
    item = items_of(grown.table, 1)[0] | {"colour": {"S": "red"}}
    grown.write([change(item, 999)])
    grown.compact()
    assert sum(row["colour"] == "red" for row in grown.rows(HISTORY)) == 1
    assert grown.ask("SELECT count(*) FROM all_changes WHERE colour IS NULL") == [
        f"({len(set(lake.payloads))},)"
    ]


def test_a_field_of_another_type_is_read_beside_the_old_one_and_not_compacted(
    lake_of: Callable[[str], Lake], aws_environment: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    lake = lake_of("sensors")
    lake.compact()
    file = tmp_path / "changed.py"
    source = (WORKED / "sensors.py").read_text()
    source = source.replace("valueOne: Annotated[Int64", "valueOne: Annotated[Decimal")
    file.write_text(source.replace("import time\n", "import time\nfrom decimal import Decimal\n"))
    aws_environment.setenv("SLUICE_SCHEMA", str(file))
    table = load(file)
    stack = Stack(lake.stack.name, {**lake.stack.outputs, **schema_outputs(table)})
    changed = Lake(stack, table, [], [])
    changed.write([change(items_of(table, 1)[0] | {"valueOne": {"N": "1.5"}}, 999)])
    with pytest.raises(OperationError, match="valueone as bigint, and it is"):
        changed.compact()
    assert len(changed.stored()) == 1
    known = {str(row["valueone"]) for row in lake.rows(HISTORY) if row["valueone"] is not None}
    asked = changed.run("SELECT DISTINCT valueone FROM all_changes WHERE valueone IS NOT NULL").rows
    assert {value for (value,) in asked} == known | {"1.5"}


def test_a_run_deletes_objects_while_it_lists_others(
    lake_of: Callable[[str], Lake], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = lake_of("sensors")
    monkeypatch.setattr(run, "DELETED_OBJECTS", 5)
    monkeypatch.setattr(run, "CHUNK_LINES", 20)
    lake.write([change(lake.items[0], 1_000 + number) for number in range(240)])
    stored = lake.stored()
    left: list[int] = []

    def listing() -> Iterator[Stored]:
        for each in stored:
            left.append(len(lake.stored()))
            yield each

    assert compact(lake.tables, listing(), []).objects == len(stored)
    assert left[-1] < len(stored) - 5
    assert not lake.stored()


def test_an_object_may_have_more_lines_than_are_held_at_once(
    lake_of: Callable[[str], Lake], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = lake_of("sensors")
    monkeypatch.setattr(run, "CHUNK_LINES", 1)
    monkeypatch.setattr("sluice.lake.PIECE_BYTES", 64)
    counts: list[int] = []
    result = compact(lake.tables, lake.stored(), [], counts.append)
    assert (result.objects, result.lines) == (lake.objects, len(lake.payloads))
    assert sum(counts) == lake.objects < len(counts)
    assert len(lake.rows(HISTORY)) == len(set(lake.payloads))
    assert not lake.stored()


def test_a_partition_of_the_current_state_may_have_more_than_is_held_at_once(
    lake_of: Callable[[str], Lake], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = lake_of("sensors")
    monkeypatch.setattr(rows, "BUCKETS", 2)
    monkeypatch.setattr(run, "MERGED_ROWS", 1)
    monkeypatch.setattr(files, "FILE_ROWS", 4)
    items = items_of(lake.table, 40)
    for first, last, name in ((0, 24, "INSERT"), (10, 20, "MODIFY"), (15, 40, "REMOVE")):
        lake.write([change(items[n], 100 * last + n, name) for n in range(first, last)])
        # What comes late changes nothing.
        lake.write([change(items[n], 50 + n) for n in range(first, last, 3)])
        lake.compact()
        current = {row["id"]: row[SEQUENCE] for row in lake.rows(CURRENT)}
        assert {(key,): sequence for key, sequence in current.items()} == lake.latest()
        assert len(lake.rows(CURRENT)) == len(current)
    counts = [task.file.record_count for task in lake.tables.open(CURRENT).scan().plan_files()]
    assert max(counts) <= 4
    assert len(counts) < len(current)


@pytest.mark.parametrize("options", [["--site"], ["--from"], ["--site", "--from"]])
def test_a_question_about_a_part_reads_its_files_alone(
    lake_of: Callable[[str], Lake], options: list[str]
) -> None:
    lake = lake_of("sensors")
    lake.write([change(lake.items[0] | {"createdAtTime": {"N": "1600000000000"}}, 1_000)])
    lake.compact()
    row = lake.rows(HISTORY)[0]
    site, day = row["siteid"], row["event_timestamp"].date()
    of_part = every = 0
    for task in lake.tables.open(HISTORY).scan().plan_files():
        of_site, days = task.file.partition[0], timedelta(days=task.file.partition[1])
        every += task.file.file_size_in_bytes
        if ("--site" not in options or of_site == site) and (
            "--from" not in options or date(1970, 1, 1) + days == day
        ):
            of_part += task.file.file_size_in_bytes
    part = LakePart(lake.table)
    if "--site" in options:
        part = replace(part, values=level_values(lake.table, [], site))
    if "--from" in options:
        start = datetime.combine(day, time(), UTC)
        part = replace(part, start=start, end=start + timedelta(days=1))
    names = [column.name for column in partition_columns(lake.table)]
    result = lake.run(narrow(saved_query(lake.table, "hours"), part, names, names[:1]))
    assert list(result.rows)
    assert 0 < result.scanned_bytes <= of_part < every


def test_a_condition_on_the_first_field_itself_reads_its_files_alone(
    lake_of: Callable[[str], Lake],
) -> None:
    lake = lake_of("sensors")
    lake.compact()
    (site, *others) = sorted({row["siteid"] for row in lake.rows(HISTORY)})
    assert others
    select = "SELECT count(*) FROM all_changes WHERE "
    own, unpruned = (
        lake.run(f"{select}{column} = '{site}'") for column in ("siteid", "concat(siteid, '')")
    )
    assert list(own.rows) == list(unpruned.rows)
    assert 0 < own.scanned_bytes < unpruned.scanned_bytes
