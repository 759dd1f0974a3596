"""Every question and comparison for tables of any shape, on the engine of the local stack."""

import gzip
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlglot

from chalicelib.catalog import columns, lake_tables, partition_column, partition_levels
from chalicelib.change import change_reader
from chalicelib.declaration import Table
from chalicelib.declared import VARIABLE, load
from chalicelib.keys import texts_of
from chalicelib.lines import line_encoder
from chalicelib.partitions import partitioner, path
from sluice.items import Item
from sluice.query.athena import QueryResult
from sluice.query.emulator import Limits, answer
from sluice.query.parameters import bind
from sluice.query.part import LakePart, key_values, level_values, narrow
from sluice.query.saved import saved_queries, saved_query
from sluice.seed import records
from sluice.stack import Stack
from sluice.synthesis import item_of
from sluice.verify.compare import Comparison, verify
from tests.declarations import FILES

HOSTILE = """
from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct, UNSET, UnsetType, field

from chalicelib.declaration import ByAttribute, Key, Kind, Table, Time

class Sale(Struct, kw_only=True):
    order: Annotated[str, Meta(max_length=20)]
    values: Annotated[int, Meta(ge=0, le=10**6)]
    group: Annotated[str, Meta(max_length=9)]
    end: Annotated[int, Meta(ge=0, le=253_402_300_799)]
    no: str = field(name="order-no")
    of: str | UnsetType = field(name="table.of", default=UNSET)
    typename: str = field(name="__typename")
    Total: Decimal
    total: Annotated[Decimal, Meta(extra={"line": "total_before"})]
    recency: bool
    hour_: str = field(name="hour")

class Return(Struct, kw_only=True):
    order: Annotated[str, Meta(max_length=20)]
    values: Annotated[int, Meta(ge=0, le=10**6)]
    group: Annotated[str, Meta(max_length=9)]
    end: Annotated[int, Meta(ge=0, le=253_402_300_799)]
    typename: str = field(name="__typename")

TABLE = Table(
    key=(Key("order"), Key("values", "N")),
    kinds=(Kind("select", Sale, when="Sale"), Kind("returned", Return, when="Return")),
    told_by=ByAttribute("__typename"),
    times=(Time("end", "s"),),
    layout=("group", "year", "month"),
)
"""


@dataclass
class Lake:
    """A lake in the emulator's S3, of a table and what it holds."""

    stack: Stack
    table: Table
    items: list[Item]

    def run(self, sql: str) -> QueryResult:
        """Run a query as the local stack does; it must be in Athena's grammar too."""
        sqlglot.parse_one(sql, dialect="athena")
        levels = {partition_column(level): level.name for level in partition_levels(self.table)}
        found = answer(self.stack, self.table, sql, levels, Limits())
        assert found.problems == ()
        return QueryResult(found.columns, iter(found.rows), 0, 0.0)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query."""
        result = self.run(sql)
        return [dict(zip(result.columns, row, strict=True)) for row in result.rows]

    def saved(self, name: str, *where: str, key: Sequence[str] = (), pruned: bool = False) -> Any:
        """The rows of a saved query."""
        query = saved_query(self.table, name, key_parts=len(key) or None)
        part = LakePart(self.table, level_values(self.table, where))
        partitions = [partition_column(level) for level in partition_levels(self.table)]
        sql = narrow(query, part, partitions, (), pruned=pruned)
        return self.rows(bind(sql, key_values(self.table, key) if key else {}))

    def verify(self) -> Comparison:
        """The table compared with the lake."""
        return verify(self, self.table, iter(self.items), lambda _differing: None)


def declarations(folder: Path) -> Iterator[Path]:
    file = folder / "hostile.py"
    file.write_text(HOSTILE)
    yield from (*FILES, file)


@pytest.fixture(params=[*(file.stem for file in FILES), "hostile"])
def lake(
    request: pytest.FixtureRequest, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Lake:
    """A lake of made-up records of every kind, each written and changed once."""
    (file,) = (file for file in declarations(tmp_path) if file.stem == request.param)
    monkeypatch.setenv(VARIABLE, str(file))
    table = load(file)
    outputs = {"SchemaFingerprint": table.fingerprint, "Layout": "/".join(table.layout)}
    lake = Lake(Stack(stack.name, stack.outputs | outputs), table, [])
    made_up = records(table, 30, random.Random(3))  # noqa: S311 - the same in every run
    lake.items = [item_of(table, record) for record in made_up]
    write_changes(lake)
    return lake


def write_changes(lake: Lake) -> None:
    table, objects = lake.table, dict[str, list[bytes]]()
    read = change_reader(table, lambda _attribute: "hash")
    encode, place = line_encoder(table), partitioner(table)
    for number, item in enumerate([*lake.items, *lake.items], 1):
        change = {
            "eventID": str(number),
            "eventName": "INSERT" if number <= len(lake.items) else "MODIFY",
            "dynamodb": {
                "SequenceNumber": str(10**20 + number),
                "ApproximateCreationDateTime": 1_777_885_200 + number,
                "NewImage": item,
            },
        }
        line = read(msgspec.json.encode(change))
        objects.setdefault(path(place(line)), []).append(encode(line))
    for folder, lines in objects.items():
        body = gzip.compress(b"".join(lines))
        lake.stack.s3.put_object(Bucket=lake.stack.bucket, Key=folder + "one.gz", Body=body)


def test_the_latest_state_and_the_comparison_are_the_tables(lake: Lake) -> None:
    assert len(lake.saved("latest")) == len(lake.items)
    comparison = lake.verify()
    assert (comparison.drifts, comparison.problems) == ([], [])
    assert comparison.total("in_table") == comparison.total("in_lake") == len(lake.items)
    if lake.table.told_by and lake.table.group and lake.table.group.attribute is None:
        assert set(comparison.groups) == {shape.kind for shape in lake.table.shapes}


def test_a_record_that_only_the_table_has_is_missing_by_all_parts_of_its_key(lake: Lake) -> None:
    *lake.items, last = lake.items
    surplus = lake.verify().drifts
    assert [(each.kind, each.key, each.versions) for each in surplus] == [
        ("surplus", texts_of(lake.table, last), 2)
    ]


def test_history_is_of_one_record_or_of_all_with_the_first_part_of_its_key(lake: Lake) -> None:
    keys = [texts_of(lake.table, item) for item in lake.items]
    assert len(lake.saved("history", key=keys[0])) == 2
    collection = [key for key in keys if key[0] == keys[0][0]]
    assert len(lake.saved("history", key=keys[0][:1])) == 2 * len(collection)


def test_the_other_saved_queries_count_what_the_lake_holds(lake: Lake) -> None:
    count = 2 * len(lake.items)
    assert sum(row["lines"] for row in lake.saved("largest")) <= count
    hours = lake.saved("hours")
    assert sum(row[next(name for name in row if name.startswith("changes"))] for row in hours) == (
        count
    )
    assert lake.saved("duplicates") == []
    assert all(row["hours_late"] > 1 for row in lake.saved("late"))


def test_a_part_of_the_lake_is_what_the_whole_has_of_it(lake: Lake) -> None:
    every = lake.rows("SELECT * FROM all_changes")
    for level in lake.table.levels:
        if level.is_time:
            continue
        column = next(each.name for each in columns(lake.table) if each.key == level.name)
        for value, count in Counter(row[column] for row in every if row[column]).items():
            where = f"{level.name}={value}"
            for pruned in (False, True):
                latest = lake.saved("latest", where, pruned=pruned)
                assert len(latest) == count // 2
                names = [column.name for column in columns(lake.table)]
                assert all(list(row) == names for row in latest)
            hours = lake.saved("hours", where)
            assert sum(row["changes"] for row in hours) == count


def test_a_kinds_own_tables_have_its_lines_and_columns_alone(lake: Lake) -> None:
    kinds = Counter(lake.table.kind_of(item) for item in lake.items)
    for each in lake_tables(lake.table):
        result = lake.run(f"SELECT * FROM {each.name}")  # noqa: S608
        rows = list(result.rows)
        assert len(rows) == 2 * (len(lake.items) if each.kind is None else kinds[each.kind])
        names = [column.name for column in columns(lake.table, each.kind)]
        assert list(result.columns[: len(names)]) == names


def test_every_saved_query_is_in_athenas_grammar_with_its_parameters(lake: Lake) -> None:
    for query in saved_queries(lake.table).values():
        sqlglot.parse_one(query.prepared, dialect="athena")
