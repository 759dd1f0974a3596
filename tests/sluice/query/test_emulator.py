"""What the emulator's engine is given to run, run by that engine."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from chalicelib.catalog import partition_column
from chalicelib.schema import LAYOUT
from sluice.errors import OperationError
from sluice.query.emulator import bridged, reason

LEVELS = {partition_column(level): level for level in LAYOUT if level not in ("hour", "minute")}
LINE = {"id": "9b2d", "siteId": "a/b", "createdAtTime": 1, "valueOne": 2**63 - 1}


def ask(sql: str) -> list[tuple[Any, ...]]:
    """What the engine answers over a lake of one line, as the emulator lets it read one."""
    with duckdb.connect() as engine:
        levels = ", ".join(f'1 AS "{level}"' for level in LEVELS.values())
        engine.execute('CREATE SCHEMA "d"')
        engine.execute(
            f'CREATE TABLE "d"."lines" AS SELECT $1 AS line, {levels}', [json.dumps(LINE)]
        )
        return engine.execute(bridged(sql, "d", LEVELS, "json")).fetchall()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id, valueone, siteid_partition FROM changes",
        "WITH c AS (SELECT * FROM changes) SELECT id, valueone, siteid_partition FROM c;\n",
        "-- a comment\nSELECT id, valueone, 'a%2Fb' FROM all_changes -- and another",
    ],
)
def test_a_question_is_answered_from_the_tables(sql: str) -> None:
    assert ask(sql) == [("9b2d", 2**63 - 1, "a%2Fb")]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "COPY changes TO '{folder}/copy'",
        "ATTACH '{folder}/database'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "DROP TABLE changes",
        "CALL enable_logging(storage = 'file', storage_path = '{folder}')",
        "-- nothing but a comment",
    ],
)
def test_anything_but_one_select_is_refused(tmp_path: Path, sql: str) -> None:
    with pytest.raises(OperationError, match="answers one SELECT"):
        bridged(sql.format(folder=tmp_path), "d", LEVELS, "json")


@pytest.mark.parametrize(
    "source",
    [
        "read_text('{file}')",
        "read_csv('{file}')",
        "'{file}'",
        "glob('{file}')",
        "query('FROM read_text(''{file}'')')",
        "sniff_csv('{file}')",
        "(SELECT content FROM read_text('{file}'))",
    ],
)
def test_files_of_this_machine_are_out_of_a_questions_reach(tmp_path: Path, source: str) -> None:
    file = tmp_path / "private.csv"
    file.write_text("a\n1\n")
    sql = "SELECT count(*) FROM " + source.format(file=file)  # noqa: S608
    with duckdb.connect() as engine:
        assert engine.execute(sql).fetchall() == [(1,)]
    with pytest.raises(duckdb.Error) as refused:
        ask(sql)
    if isinstance(refused.value, duckdb.PermissionException):
        assert reason(str(refused.value)).startswith("it reads a file; ")


def test_a_select_that_would_write_is_refused_by_the_engine(tmp_path: Path) -> None:
    with pytest.raises(duckdb.Error, match="locked"):
        ask(f"FROM enable_logging(storage = 'file', storage_path = '{tmp_path}/log')")
    assert list(tmp_path.iterdir()) == []


def test_a_syntax_error_is_reported_without_its_place_in_the_text() -> None:
    with pytest.raises(OperationError, match=r'the query failed: .*near "SELEC"$'):
        bridged("SELEC 1", "d", LEVELS, "json")
