"""Queries of a stack on the emulator, answered by the engine in this process."""

import gzip
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chalicelib.catalog import partition_column, partition_levels
from chalicelib.schema import TABLE
from sluice.errors import OperationError
from sluice.query.emulator import Answer, Limits, answer
from sluice.query.sources import ROWS_AT_ONCE
from sluice.stack import Stack
from tests.fakes import lake_line

LEVELS = {partition_column(level): level.name for level in partition_levels(TABLE)}
LINE = lake_line(id="9b2d", siteId="a/b", createdAtTime=1, valueOne=2**63 - 1)
FOLDER = "data/siteId=a%2Fb/year=1970/month=01/day=01/hour=00/minute=00/"
FOREIGN = "line 1 is not a line of this lake"
ENDLESS = (
    "SELECT count(*) FROM range(100000000000) a, range(100000) b WHERE a.range * b.range % 7 = 3"
)

Ask = Callable[..., Answer]


@pytest.fixture
def put(stack: Stack) -> Callable[[str, bytes], None]:
    """Writes an object of the lake."""

    def write(name: str, body: bytes) -> None:
        stack.s3.put_object(Bucket=stack.bucket, Key=FOLDER + name, Body=body)

    return write


@pytest.fixture
def ask(stack: Stack, put: Callable[[str, bytes], None]) -> Ask:
    """Asks a lake of one line."""
    put("one.gz", gzip.compress(LINE))

    def run(sql: str, **limits: Any) -> Answer:
        return answer(stack, TABLE, sql, LEVELS, Limits(**limits))

    return run


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id, valueone, siteid_partition FROM changes WHERE year = 1970 AND month = 1",
        "WITH c AS (SELECT * FROM changes) SELECT id, valueone, siteid_partition FROM c;\n",
        "-- a comment\nSELECT id, valueone, 'a%2Fb' FROM all_changes -- and another",
    ],
)
def test_a_question_is_answered_from_the_tables(ask: Ask, sql: str) -> None:
    result = ask(sql)
    assert result.rows == [("9b2d", 2**63 - 1, "a%2Fb")]
    assert result.scanned_bytes == len(gzip.compress(LINE))
    assert result.problems == ()


def test_values_are_those_of_athenas_results(ask: Ask) -> None:
    values = (
        "true, 1, 0.5::DOUBLE, 0.1::FLOAT, 12345678901234567890.10::DECIMAL(38,2), "
        "from_unixtime(1.5), NULL"
    )
    assert ask(f"SELECT {values}").rows == [
        (True, 1, 0.5, 0.1, "12345678901234567890.10", "1970-01-01 00:00:01.500000", None)
    ]


def test_a_number_in_a_text_column_keeps_its_digits(
    ask: Ask, put: Callable[[str, bytes], None]
) -> None:
    put("two", lake_line(id="2", name=msgspec.Raw(b"1234567890123456789.01234567890")))
    assert ask("SELECT name FROM all_changes WHERE id = '2'").rows == [
        ("1234567890123456789.01234567890",)
    ]


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("cut.gz", gzip.compress(os.urandom(1000))[:500], "it is not a complete gzip file"),
        ("parquet", b"PAR1" + b"x" * 100, "it is not a complete Parquet file"),
        ("text", b"hello\n", "line 1 is not a JSON object"),
        ("array.gz", gzip.compress(b"[1]\n"), f"{FOREIGN} (Expected `object`, got `array`)"),
        ("half.gz", gzip.compress(lake_line(id="2") + b'\n{"id":'), "line 2 is not a JSON object"),
        ("latin", b'{"id":"\xe9"}\n', "line 1 is not a JSON object"),
        ("foreign", b'{"a":1}\n', f"{FOREIGN} (Object missing required field `changeType`)"),
        ("keyless", lake_line(id=None), f"{FOREIGN} (Object missing required field `id`)"),
        ("number", lake_line(id=1), f"{FOREIGN} (Expected `str`, got `int` - at `$.id`)"),
        ("typed", lake_line(createdAtTime="soon"), "a line's createdAtTime is not a bigint"),
        ("empty", b"", None),
        ("marker/", b"", None),
    ],
)
def test_a_damaged_object_is_named_and_the_others_answer(
    stack: Stack,
    ask: Ask,
    put: Callable[[str, bytes], None],
    name: str,
    body: bytes,
    reason: str | None,
) -> None:
    put(name, body)
    result = ask("SELECT count(*) FROM all_changes WHERE id = '9b2d'")
    assert result.rows == [(1,)]
    named = [f"s3://{stack.bucket}/{FOLDER}{name} is damaged: {reason}"] if reason else []
    assert [each.partition(", and counts")[0] for each in result.problems] == named


def test_each_row_keeps_its_object_however_many_rows_go_into_a_statement(
    stack: Stack, ask: Ask, put: Callable[[str, bytes], None]
) -> None:
    sizes = {"a": 1, "b": 2 * ROWS_AT_ONCE + 1, "c": 2, "d": ROWS_AT_ONCE - 5}
    for name, size in sizes.items():
        put(name, b"\n".join(lake_line(id=f"{name}-{number}") for number in range(size)))
    result = ask(
        "SELECT \"$path\", count(*), count(DISTINCT id), min(split_part(id, '-', 1)) "
        "FROM all_changes WHERE id <> '9b2d' GROUP BY 1 ORDER BY 1"
    )
    assert result.rows == [
        (f"s3://{stack.bucket}/{FOLDER}{name}", size, size, name) for name, size in sizes.items()
    ]


def test_only_a_query_that_names_it_sees_the_object_of_a_row(stack: Stack, ask: Ask) -> None:
    address = f"s3://{stack.bucket}/{FOLDER}one.gz"
    for table in ("changes", "all_changes"):
        assert ask(f'FROM {table} SELECT "$path"').rows == [(address,)]
        assert "$path" not in ask(f"FROM {table}").columns


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
def test_anything_but_one_select_is_refused(ask: Ask, tmp_path: Path, sql: str) -> None:
    with pytest.raises(OperationError, match="answers one SELECT"):
        ask(sql.format(folder=tmp_path))


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
def test_files_of_this_machine_are_out_of_a_questions_reach(
    ask: Ask, tmp_path: Path, source: str
) -> None:
    file = tmp_path / "private.csv"
    file.write_text("a\n1\n")
    with pytest.raises(OperationError, match=r"it reads a file; |the query failed: "):
        ask("SELECT count(*) FROM " + source.format(file=file))  # noqa: S608


def test_a_select_that_would_write_is_refused_by_the_engine(ask: Ask, tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="locked"):
        ask(f"FROM enable_logging(storage = 'file', storage_path = '{tmp_path}/log')")
    assert list(tmp_path.iterdir()) == []


def test_a_syntax_error_is_reported_without_its_place_in_the_text(ask: Ask) -> None:
    with pytest.raises(OperationError, match=r'the query failed: .*near "SELEC"$'):
        ask("SELEC 1")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT list(range) FROM range(1000000000)",
        "SELECT repeat('x', 3000000000)",
        "SELECT repeat('x', 1000000) FROM range(10000000)",
        "SELECT * FROM range(100000) a, range(100000) b ORDER BY 1, 2",
    ],
)
def test_memory_is_bounded(ask: Ask, sql: str) -> None:
    with pytest.raises(OperationError, match=r"needs more than 100 MB .* --max-memory-mb"):
        ask(sql, memory_mb=100)
    assert ask("SELECT 1").rows == [(1,)]


def test_time_is_bounded(ask: Ask) -> None:
    with pytest.raises(OperationError, match=r"took more than 0.5 s .* --max-seconds"):
        ask(ENDLESS, seconds=0.5)


def test_rows_are_bounded(ask: Ask) -> None:
    with pytest.raises(OperationError, match=r"more than 3 rows; .* --max-rows"):
        ask("SELECT * FROM range(100000000000)", rows=3)
    assert len(ask("SELECT * FROM range(3)", rows=3).rows) == 3
    assert len(ask("SELECT * FROM range(200000)", rows=None).rows) == 200_000


def test_ctrl_c_stops_the_engine(ask: Ask) -> None:
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt, match="the query is stopped"):
        ask(ENDLESS, seconds=None)
    began = time.process_time()
    threading.Event().wait(0.5)
    assert time.process_time() - began < 0.25
