"""What has drifted and what is on its way, decided from a lake that changes while it is read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from chalicelib.change import SEQUENCE_DIGITS
from chalicelib.declaration import Table
from chalicelib.schema import TABLE
from sluice.items import Item
from sluice.query.athena import QueryResult
from sluice.verify.compare import Comparison, Drift, verify
from tests.declaring import table as declared_table
from tests.sluice.verify.latest import latest

COLUMNS = ("id", "siteid", "valueone", "extra", "changetype", "changesequence", "changedat")
LONG_AGO = 1_700_000_000_000
IN_THE_FUTURE = 32_503_680_000_000
"""A change after the reading, whatever the time of the test."""


@dataclass
class LakeOfLines:
    """A lake in memory; `latest` follows the rule of `tests.sluice.verify.latest`."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    foreign: list[dict[str, Any]] = field(default_factory=list)
    """Rows of `latest` that are not changes."""
    objects: list[str] = field(default_factory=lambda: ["s3://lake/data/x.gz"])
    """The objects that hold what cannot be read."""

    def change(
        self, kind: str, key: str, value: int, sequence: int, at: int = LONG_AGO, **more: str
    ) -> None:
        self.lines.append(
            {
                **{
                    "id": key,
                    "siteId": "1",
                    "valueOne": value,
                    "changeType": kind,
                    "changedAt": at,
                },
                "changeSequence": str(sequence).zfill(SEQUENCE_DIGITS),
                **more,
            }
        )

    def run(self, sql: str) -> QueryResult:
        self.asked.append(sql)
        if "recency" in sql:
            return self._answer(self.foreign + latest(TABLE, self.lines))
        if "$path" in sql:
            return QueryResult(("$path",), iter([(each,) for each in self.objects]), 0, 0.0)
        return self._answer([line for line in self.lines if f"'{line['id']}'" in sql])

    def _answer(self, lines: list[dict[str, Any]]) -> QueryResult:
        rows = [
            tuple({name.lower(): value for name, value in line.items()}.get(c) for c in COLUMNS)
            for line in lines
        ]
        return QueryResult(COLUMNS, iter(rows), 0, 0.0)


def item(key: str, value: int, **more: dict[str, Any]) -> Item:
    return {"id": {"S": key}, "siteId": {"S": "1"}, "valueOne": {"N": str(value)}, **more}


def nothing(_differing: int) -> None:
    """Nothing arrives meanwhile."""


def compare(
    lake: LakeOfLines,
    *items: Item,
    meanwhile: Callable[[int], None] = nothing,
    deletes: bool = True,
    table: Table = TABLE,
) -> Comparison:
    return verify(lake, table, iter(items), meanwhile, deletes=deletes)


def kinds(comparison: Comparison) -> list[tuple[str, ...]]:
    return [(drift.kind, *drift.key) for drift in comparison.drifts]


@pytest.fixture
def lake() -> LakeOfLines:
    """A lake in which `a` was written, changed and written as it was at first."""
    found = LakeOfLines()
    found.change("INSERT", "a", 1, 1)
    found.change("MODIFY", "a", 2, 2)
    found.change("MODIFY", "a", 1, 3)
    return found


def test_a_lake_with_the_tables_state_is_queried_once(lake: LakeOfLines) -> None:
    found = compare(lake, item("a", 1))
    assert found.drifts == []
    assert len(lake.asked) == 1
    assert (found.total("in_table"), found.total("in_lake")) == (1, 1)


def test_a_value_is_compared_to_the_digit(lake: LakeOfLines) -> None:
    lake.change("INSERT", "b", 2**63 - 1, 4)
    assert kinds(compare(lake, item("a", 1), item("b", 2**63 - 2))) == [("stale", "b")]


def test_a_version_that_was_overtaken_does_not_stand_in_for_one_that_is_lost(
    lake: LakeOfLines,
) -> None:
    assert kinds(compare(lake, item("a", 2))) == [("stale", "a")]


def test_a_record_with_no_line_is_missing_and_one_without_a_delete_surplus(
    lake: LakeOfLines,
) -> None:
    found = compare(lake, item("b", 1))
    assert found.drifts == [Drift("surplus", ("a",), "1", 3), Drift("missing", ("b",), "1", 0)]
    assert found.groups["1"].missing == found.groups["1"].surplus == 1


def test_what_arrives_meanwhile_was_on_its_way(lake: LakeOfLines) -> None:
    def arrive(differing: int) -> None:
        assert differing == 3
        lake.change("MODIFY", "a", 7, 5)
        lake.change("INSERT", "b", 1, 6)
        lake.change("REMOVE", "c", 1, 7)

    lake.change("INSERT", "c", 1, 4)
    found = compare(lake, item("a", 7), item("b", 1), meanwhile=arrive)
    assert found.drifts == []
    assert found.total("in_flight") == 3


def test_changes_made_after_the_reading_do_not_count_against_what_was_read(
    lake: LakeOfLines,
) -> None:
    def arrive(_differing: int) -> None:
        lake.change("MODIFY", "a", 7, 5)
        lake.change("MODIFY", "a", 8, 6, at=IN_THE_FUTURE)
        lake.change("REMOVE", "a", 8, 7, at=IN_THE_FUTURE)

    assert compare(lake, item("a", 7), meanwhile=arrive).drifts == []


def test_a_later_change_does_not_hide_that_the_one_read_is_lost(lake: LakeOfLines) -> None:
    def arrive(_differing: int) -> None:
        lake.change("MODIFY", "a", 8, 6, at=IN_THE_FUTURE)

    assert kinds(compare(lake, item("a", 7), meanwhile=arrive)) == [("stale", "a")]


def test_undeclared_attributes_count_unless_the_deployment_drops_them(lake: LakeOfLines) -> None:
    lake.change("INSERT", "b", 1, 4, extra='{"unit": {"S": "K"}}')
    a, same, other = item("a", 1), item("b", 1, unit={"S": "K"}), item("b", 1, unit={"S": "C"})
    assert compare(lake, a, same).drifts == []
    assert kinds(compare(lake, a, other)) == [("stale", "b")]
    dropping = declared_table(undeclared="drop")
    assert compare(lake, a, other, table=dropping).drifts == []


def test_records_that_cannot_be_read_as_declared_are_named_by_keys_and_objects(
    lake: LakeOfLines,
) -> None:
    lake.change("INSERT", "b\n", 1, 4, extra="not JSON")
    lake.change("INSERT", "c", 1, 5, extra='{"unit": 7}')
    (problem,) = compare(lake, item("a", 1)).problems
    assert problem.startswith(
        "2 records of the lake cannot be read as declared (id b\\n, id c): in a line"
    )
    assert problem.endswith("; see s3://lake/data/x.gz")
    sequence = "4".zfill(SEQUENCE_DIGITS)
    assert f"(\"id\" = 'b\n' AND \"changesequence\" = '{sequence}')" in lake.asked[1]


def test_a_line_that_is_not_a_change_is_named_and_is_no_state_of_its_key(
    lake: LakeOfLines,
) -> None:
    lake.foreign = [{"a": 1}, {"id": "b", "siteId": "1", "valueOne": 1}]
    lake.objects = [f"s3://lake/data/{number}.gz" for number in range(7)]
    comparison = compare(lake, item("a", 1), item("b", 1))
    assert kinds(comparison) == [("missing", "b")]
    (problem,) = comparison.problems
    assert "(no id, id b)" in problem
    assert problem.endswith("data/4.gz, …")
    assert '"id" IS NULL OR "changetype" IS NULL ORDER BY' in lake.asked[1]


def test_of_many_records_that_cannot_be_read_a_few_are_named(lake: LakeOfLines) -> None:
    lake.foreign = [lake.lines[0] | {"id": None}]
    for number in range(9):
        lake.change("INSERT", f"k{number}", 1, number, extra="not JSON")
    (problem,) = compare(lake, item("a", 1)).problems
    assert "10 records" in problem
    assert "(no id, id k0, id k1, id k2, id k3, …)" in problem


def test_null_and_absent_are_the_same_in_a_table(lake: LakeOfLines) -> None:
    assert compare(lake, item("a", 1, name={"NULL": True})).drifts == []


def test_without_deletes_in_the_lake_nothing_is_surplus(lake: LakeOfLines) -> None:
    assert compare(lake, deletes=False).drifts == []


def test_many_keys_are_compared_in_queries_that_athena_takes(lake: LakeOfLines) -> None:
    def items() -> Iterator[Item]:
        yield item("a", 1)
        yield from (item(f"{'k' * 500}-{n}", n) for n in range(700))

    found = verify(lake, TABLE, items(), nothing)
    assert len(found.drifts) == 700
    assert len(lake.asked) > 2
    assert all(len(sql.encode()) < 262_144 for sql in lake.asked)


def test_a_drift_has_the_reason_why_the_transform_cannot_read_the_item() -> None:
    found = verify(
        LakeOfLines(),
        TABLE,
        iter([item("a", 1), item("b", 2)]),
        lambda _differing: None,
        lambda item: "valueOne is too large" if item["id"]["S"] == "a" else None,
    )
    assert [drift.reason for drift in found.drifts] == ["valueOne is too large", None]
