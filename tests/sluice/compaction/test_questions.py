"""Every saved query, for every worked declaration: compaction changes none of its answers."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.catalog import (
    CURRENT,
    HISTORY,
    columns,
    lake_tables,
    partition_column,
    partition_columns,
    partition_levels,
)
from chalicelib.compacted import compacted_columns, raw_name, views
from chalicelib.declaration import Table
from chalicelib.keys import texts_of
from chalicelib.objects import delete
from sluice.compaction.run import compact
from sluice.items import read_line
from sluice.lake import objects
from sluice.query.parameters import bind
from sluice.query.part import LakePart, key_values, level_values, narrow
from sluice.query.saved import saved_queries
from tests.declaring import WORKED, delivered
from tests.sluice.compaction.lake import Lake

SHAPES = sorted(file.stem for file in WORKED.glob("*.py"))

Answers = dict[tuple[str, ...], tuple[tuple[str, ...], list[str]]]
"""The columns and the rows of an answer, by the query's name and what it is asked of."""


def parts(lake: Lake) -> Iterator[LakePart]:
    """The whole lake, a value of each level and a day."""
    table = lake.table
    yield LakePart(table)
    lines = [read_line(line) for _, line in delivered(table, lake.payloads)]
    for level in table.levels:
        if not level.is_time:
            value = next(line[level.name] for line in lines if line.get(level.name) is not None)
            text = str(value).lower() if isinstance(value, bool) else str(value)
            yield LakePart(table, level_values(table, [f"{level.name}={text}"]))
    time = sorted(line[table.time_line_name] for line in lines)[len(lines) // 2]
    start = datetime.fromtimestamp(time // 1000, UTC)
    yield LakePart(table, start=start, end=start + timedelta(days=1))


def questions(lake: Lake) -> dict[tuple[str, ...], str]:
    """Every saved query, of the whole lake and of parts, and of some records' keys."""
    table = lake.table
    partitions = [partition_column(level) for level in partition_levels(table)]
    asked: dict[tuple[str, ...], str] = {}
    for name, query in saved_queries(table, last_changes=True).items():
        if not query.parameters:
            for number, part in enumerate(parts(lake)):
                asked[name, str(number)] = narrow(query, part, partitions, (), pruned=True)
    for count in range(1, len(table.key) + 1):
        queries = saved_queries(table, key_parts=count, last_changes=True)
        for item in lake.items[:2]:
            key = texts_of(table, item)[:count]
            for name, query in queries.items():
                if query.parameters:
                    asked[name, *key] = bind(query.sql, key_values(table, key))
    asked["changes",] = "SELECT * FROM changes"
    asked["all_changes",] = "SELECT count(DISTINCT eventid) FROM all_changes"
    return asked


def answers(lake: Lake) -> Answers:
    """The answers to all questions, as the local stack gives them."""
    results = {place: lake.run(sql) for place, sql in questions(lake).items()}
    return {
        place: (result.columns, sorted(map(repr, result.rows))) for place, result in results.items()
    }


@pytest.mark.parametrize("name", SHAPES)
def test_every_saved_query_answers_the_same_before_between_and_after(
    lake_of: Callable[..., Lake], name: str
) -> None:
    lake = lake_of(name, repeated=False)
    before = answers(lake)
    assert {place[0] for place in before} >= {*saved_queries(lake.table)}
    assert all(rows for place, (_, rows) in before.items() if place[0] == "history")
    compact(lake.tables, lake.stored()[::2], [])
    assert answers(lake) == before
    lake.compact()
    assert lake.stored() == []
    assert answers(lake) == before


def names_and_columns(table: Table) -> dict[str, list[str]]:
    """The tables that clients of Athena see where the stack compacts, with their columns."""
    seen = {view.name: [column.name for column in view.columns] for view in views(table)}
    for name in (HISTORY, CURRENT):
        seen[name] = [column.name for column in compacted_columns(table, name)]
    for each in lake_tables(table):
        seen[raw_name(each.name)] = [column.name for column in columns(table, each.kind)]
        if each.is_partitioned:
            partitions = partition_columns(table, each.kind)
            seen[raw_name(each.name)] += [column.name for column in partitions]
    return seen


@pytest.mark.parametrize("name", SHAPES)
def test_the_local_engine_has_the_tables_of_aws_before_and_after(
    lake_of: Callable[..., Lake], name: str
) -> None:
    lake = lake_of(name, repeated=False)
    seen = names_and_columns(lake.table)
    number = len(lake.payloads)

    def ask() -> dict[str, int]:
        counts = {}
        for each, expected in seen.items():
            result = lake.run(f'SELECT * FROM "{each}"')  # noqa: S608
            assert list(result.columns) == expected, each
            counts[each] = len(list(result.rows))
        return counts

    before = ask()
    assert (before["raw_all_changes"], before["all_changes"], before[HISTORY]) == (
        number,
        number,
        0,
    )
    lake.compact()
    after = ask()
    keys = len(lake.latest())
    assert (after["raw_all_changes"], after["all_changes"]) == (0, number)
    assert (after[HISTORY], after[CURRENT], after["last_changes"]) == (number, keys, keys)
    kinds = [each.name for each in lake_tables(lake.table)]
    assert {each: after[each] for each in kinds} == {each: before[each] for each in kinds}


def test_a_question_about_a_partition_reads_its_raw_objects_alone(
    lake_of: Callable[..., Lake],
) -> None:
    lake = lake_of("sensors", repeated=False)
    compact(lake.tables, lake.stored()[::2], [])
    raw = lake.stored()
    levels = dict(part.split("=") for part in raw[0].key.split("/")[1:-1])
    site, year = levels["siteId"], int(levels["year"])
    for condition, folder in (
        (f"siteid_partition = '{site}'", f"siteId={site}/"),
        (
            f"c.year = {year} AND month = {int(levels['month'])}",
            f"year={year}/month={levels['month']}/",
        ),
        (f"year < {year}", "no such"),
    ):
        pruned = lake.run(f"SELECT * FROM raw_changes AS c WHERE {condition}")  # noqa: S608
        every = lake.run(f"SELECT * FROM (SELECT * FROM raw_changes) AS c WHERE {condition}")  # noqa: S608
        assert sorted(map(repr, pruned.rows)) == sorted(map(repr, every.rows))
        assert pruned.scanned_bytes == sum(each.size for each in raw if folder in each.key)
        assert every.scanned_bytes == sum(each.size for each in raw)
        both = f"SELECT eventid FROM changes AS c WHERE {condition}"  # noqa: S608
        whole = f"SELECT eventid FROM (SELECT * FROM changes) AS c WHERE {condition}"  # noqa: S608
        assert lake.ask(both) == lake.ask(whole)


def test_times_of_the_compacted_tables_are_in_utc_as_athena_has_them(
    lake_of: Callable[..., Lake],
) -> None:
    lake = lake_of("sensors", repeated=False)
    lake.compact()
    moment = lake.rows(HISTORY)[0]["event_timestamp"]
    where = f"event_timestamp = TIMESTAMP '{moment}'"
    sql = f"SELECT event_timestamp FROM history WHERE {where}"  # noqa: S608
    assert f"('{moment:%Y-%m-%d %H:%M:%S.%f} UTC',)" in lake.ask(sql)


def test_latest_needs_no_file_of_the_history(lake_of: Callable[..., Lake]) -> None:
    lake = lake_of("sensors", repeated=False)
    lake.compact()
    stack = lake.tables.stack
    latest = saved_queries(lake.table, last_changes=True)["latest"].sql
    before = lake.ask(latest)
    history = lake.tables.find(HISTORY)
    assert history is not None
    location = history.location().removeprefix(f"s3://{stack.bucket}/")
    delete(stack.s3, stack.bucket, [each.key for each in objects(stack, f"{location}/")])
    with pytest.raises(FileNotFoundError):
        lake.ask("SELECT * FROM history")
    assert lake.ask(latest) == before
