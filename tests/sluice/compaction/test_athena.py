"""Athena's statements, run by DuckDB, against what the local engine makes of the same lines."""

import gzip
import random
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlglot

from chalicelib.catalog import CURRENT, HISTORY
from chalicelib.compacted import compacted_columns, iceberg_input, views
from chalicelib.compaction import AthenaCompaction
from chalicelib.merging import MAINTENANCE, QUOTES, Span, Survey, add_columns, append, merge, survey
from chalicelib.objects import Stored
from sluice.compaction.run import compact, older_objects
from sluice.compaction.tables import LakeTables
from sluice.stack import Stack
from tests.athena import FakeAthena, FakeGlue
from tests.declaring import WORKED, change, delivered, items_of, worked

SHAPES = sorted(file.stem for file in WORKED.glob("*.py"))
COUNT = 12

StackOf = Callable[[str], Stack]


def changes(name: str, count: int = COUNT) -> list[bytes]:
    """Inserts, changes and deletes of items, some twice, in disorder."""
    chance = random.Random(7)  # noqa: S311
    payloads = []
    for number, item in enumerate(items_of(worked(name), count)):
        payloads += [change(item, 10 * number + 1), change(item, 10 * number + 2, "MODIFY")]
        if number % 3 == 0:
            payloads.append(change(item, 10 * number + 3, "REMOVE"))
    payloads += chance.sample(payloads, len(payloads) // 3)
    chance.shuffle(payloads)
    return payloads


def write(stack: Stack, name: str, payloads: Sequence[bytes]) -> list[tuple[str, bytes]]:
    """Put objects of a few lines each, and return the lines with their objects' addresses."""
    folders: dict[str, list[bytes]] = {}
    for folder, line in delivered(worked(name), payloads):
        folders.setdefault(folder, []).append(line)
    lines = []
    for folder, content in folders.items():
        for start in range(0, len(content), 3):
            key = f"{folder}object-{start}.gz"
            some = content[start : start + 3]
            stack.s3.put_object(Bucket=stack.bucket, Key=key, Body=gzip.compress(b"".join(some)))
            lines += [(f"s3://{stack.bucket}/{key}", line) for line in some]
    return lines


def everything(stack: Stack) -> list[Stored]:
    return list(older_objects(stack, datetime.now(UTC) + timedelta(hours=1)))


def by_athena(stack: Stack, name: str, athena: Any) -> AthenaCompaction:
    glue: Any = FakeGlue({}, athena)
    return AthenaCompaction(
        worked(name),
        athena,
        stack.s3,
        glue,
        bucket=stack.bucket,
        database=stack.output("DatabaseName"),
        workgroup="the-workgroup",
    )


def local_rows(stack: Stack, name: str, table: str) -> list[dict[str, Any]]:
    iceberg = LakeTables(stack, worked(name)).find(table)
    assert iceberg is not None
    rows: list[dict[str, Any]] = iceberg.scan().to_arrow().to_pylist()
    return rows


def ordered(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Rows as texts; both engines give times of UTC, with objects of their own for it."""
    return sorted(
        repr({k: v.isoformat() if isinstance(v, datetime) else v for k, v in sorted(row.items())})
        for row in rows
    )


@pytest.mark.parametrize("name", SHAPES)
def test_both_engines_make_the_same_rows_of_the_same_lines(stack_of: StackOf, name: str) -> None:
    stack, payloads = stack_of(name), changes(name)
    lines = write(stack, name, payloads)
    athena = FakeAthena(worked(name), lines)
    done = by_athena(stack, name, athena).compact(everything(stack), [])
    assert (done.lines, done.appended) == (len(payloads), len(set(payloads)))
    assert everything(stack) == []
    write(stack, name, payloads)
    compact(LakeTables(stack, worked(name)), everything(stack), [])
    for table in (HISTORY, CURRENT):
        assert ordered(athena.rows(table)) == ordered(local_rows(stack, name, table))


@pytest.mark.parametrize("name", SHAPES)
def test_lines_that_come_again_or_late_change_nothing_but_history(
    stack_of: StackOf, name: str
) -> None:
    stack, payloads = stack_of(name), changes(name)
    athena = FakeAthena(worked(name), write(stack, name, payloads))
    compaction = by_athena(stack, name, athena)
    again = everything(stack)
    compaction.compact(again, [])
    current = ordered(athena.rows(CURRENT))
    assert compaction.compact(again, []).appended == 0
    ((folder, line),) = delivered(worked(name), [change(items_of(worked(name), COUNT)[1], 5)])
    late = f"{folder}late.gz"
    stack.s3.put_object(Bucket=stack.bucket, Key=late, Body=gzip.compress(line))
    athena.add([(f"s3://{stack.bucket}/{late}", line)])
    assert [each.key for each in everything(stack)] == [late]
    assert compaction.compact(everything(stack), []).appended == 1
    assert ordered(athena.rows(CURRENT)) == current
    assert len(athena.rows(HISTORY)) == len(set(payloads)) + 1


@pytest.mark.parametrize("name", SHAPES)
def test_each_statement_is_of_athenas_dialect(name: str) -> None:
    table, span = worked(name), Span("s3://lake/data/a", "s3://lake/data/it's")
    known = Survey(5, 1, 1, 1_700_000_000_000, 1_700_000_001_000)
    statements = [
        survey(table, span),
        append(table, span, known),
        append(table, span, known._replace(start=None, end=None), (101, 200)),
        merge(table, span),
        add_columns(HISTORY, compacted_columns(table, HISTORY)),
        *(view.sql for view in views(table)),
    ]
    for statement in statements:
        assert len(sqlglot.parse(statement, dialect="athena")) == 1


def test_maintenance_has_the_syntax_that_aws_documents() -> None:
    # https://docs.aws.amazon.com/athena/latest/ug/optimize-statement.html, vacuum-statement.html
    name = r"(\"[a-z_]+\"|`[a-z_]+`)"
    optimize = rf"OPTIMIZE ({name}\.)?{name} REWRITE DATA USING BIN_PACK"
    documented = re.compile(rf"{optimize}|VACUUM ({name}\.)?{name}")
    for quotes in QUOTES:
        for table in (HISTORY, CURRENT):
            kinds = [each.format(quotes.format(table)) for each in MAINTENANCE]
            assert all(map(documented.fullmatch, kinds))
            assert [each.split()[0] for each in kinds] == ["OPTIMIZE", "VACUUM"]


@pytest.mark.parametrize("name", SHAPES)
def test_both_engines_make_the_same_tables(stack_of: StackOf, name: str) -> None:
    tables = LakeTables(stack_of(name), worked(name))
    for table in (HISTORY, CURRENT):
        iceberg = tables.open(table)
        document = iceberg_input(worked(name), table, iceberg.location())
        made = document["IcebergInput"]["CreateIcebergTableInput"]
        assert [
            (each["Id"], each["Name"], each["Type"], each["Required"])
            for each in made["Schema"]["Fields"]
        ] == [
            (each.field_id, each.name, str(each.field_type), each.required)
            for each in iceberg.schema().fields
        ]
        assert [
            (each["SourceId"], each["FieldId"], each["Name"], each["Transform"])
            for each in made["PartitionSpec"]["Fields"]
        ] == [
            (each.source_id, each.field_id, each.name, str(each.transform))
            for each in iceberg.spec().fields
        ]
