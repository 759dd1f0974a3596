"""Every saved query, for every worked declaration: compaction changes none of its answers."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.catalog import partition_column, partition_levels
from chalicelib.keys import texts_of
from sluice.compaction.run import compact
from sluice.items import read_line
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
