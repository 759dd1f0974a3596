"""All SQL that is made for a table of any shape is Athena's, and runs here."""

from collections.abc import Iterator
from datetime import UTC, datetime

import duckdb
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.catalog import (
    columns,
    lake_tables,
    partition_column,
    partition_columns,
    partition_levels,
    quoted,
)
from chalicelib.declaration import Table
from chalicelib.mistakes import mistakes
from sluice.planning.lint import projection_errors
from sluice.query.parameters import bind
from sluice.query.part import LakePart, key_values, level_values, narrow
from sluice.query.saved import saved_queries
from tests.declared_tables import tables

TEXTS = {"S": "it's", "N": "17", "B": "AAE="}
VALUES = {"string": "it's", "bigint": "17", "boolean": "true"}


def made(table: Table) -> Iterator[str]:
    """The saved queries of a table: as they are, and for a part of the lake."""
    types = {column.key: column.type for column in columns(table)}
    where = [
        f"{level.name}={VALUES[types[level.name]] if level.attribute else table.shapes[0].kind}"
        for level in table.levels
        if not level.is_time
    ]
    values = level_values(table, where)
    moment = datetime(2023, 11, 15, tzinfo=UTC)
    names = [partition_column(level) for level in partition_levels(table)]
    for parts in range(1, len(table.key) + 1):
        key = key_values(table, [TEXTS[each.type] for each in table.key[:parts]])
        for query in saved_queries(table, key_parts=parts).values():
            narrowed = LakePart(table, values, moment, moment)
            for part, pruned in ((LakePart(table), False), (narrowed, False), (narrowed, True)):
                yield bind(narrow(query, part, names, (), pruned=pruned), key)


@pytest.mark.slow
@given(tables())
@settings(max_examples=20, deadline=None)
def test_every_query_is_in_athenas_grammar_and_runs(table: Table) -> None:
    assert mistakes(table) == []
    with duckdb.connect(":memory:") as engine:
        engine.execute("CREATE MACRO from_unixtime(s) AS epoch_ms(CAST(round(s * 1000) AS BIGINT))")
        for each in lake_tables(table):
            found = [*columns(table, each.kind)]
            found += partition_columns(table, each.kind) if each.is_partitioned else ()
            types = ", ".join(
                f"{quoted(column.name)} {column.type.replace('string', 'varchar')}"
                for column in found
            )
            engine.execute(f"CREATE TABLE {each.name} ({types})")
        for sql in made(table):
            sqlglot.parse_one(sql, dialect="athena")
            assert engine.execute(sql).fetchall() == []


@given(tables(), st.booleans())
@settings(max_examples=100, deadline=None)
def test_athena_looks_where_firehose_writes(table: Table, has_sites: bool) -> None:
    sites = ("2", "a/b=c %") if has_sites and table.group and table.group.attribute else ()
    assert list(projection_errors(table, sites)) == []
