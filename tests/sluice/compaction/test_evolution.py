"""Declarations that change under a lake which is compacted: its answers stay, for both engines."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
from msgspec import UNSET, Meta, Struct, UnsetType, defstruct

from chalicelib.catalog import CURRENT, HISTORY
from chalicelib.compacted import views
from chalicelib.compaction import AthenaCompaction
from chalicelib.declaration import EPOCH_MS_MAX, ByAttribute, Int64, Key, Kind, Table, Time
from chalicelib.objects import Stored
from sluice.compaction.run import compact
from sluice.errors import OperationError
from sluice.query.saved import saved_queries
from sluice.stack import Stack
from tests.athena import FakeAthena, FakeGlue, translated
from tests.declaring import change, delivered
from tests.sluice.compaction.lake import Lake

WAS_NUMBER = Meta(extra={"was": "bigint"})
WAS_BOOLEAN = Meta(extra={"was": "boolean"})

BEFORE: dict[str, Any] = {"count": Int64, "active": bool, "colour": str}


def record(fields: dict[str, Any]) -> type[Struct]:
    always = [
        ("id", str),
        ("siteId", str),
        ("createdAtTime", Annotated[int, Meta(ge=0, le=EPOCH_MS_MAX)]),
        ("type", str),
    ]
    optional = [(name, kind | UnsetType, UNSET) for name, kind in fields.items()]
    return defstruct("Reading", [*always, *optional], kw_only=True, forbid_unknown_fields=True)


def declaring(*kinds: dict[str, Any]) -> Table:
    names = ("reading", "alarm")
    return Table(
        key=(Key("id"),),
        kinds=tuple(
            Kind(name, record(fields), when=name if len(kinds) > 1 else "")
            for name, fields in zip(names, kinds, strict=False)
        ),
        told_by=ByAttribute("type") if len(kinds) > 1 else None,
        times=(Time("createdAtTime"),),
        layout=("siteId", "year", "month", "day"),
    )


CHANGES: dict[str, tuple[Table, Table]] = {
    "a field is added": (declaring(BEFORE), declaring({**BEFORE, "size": Int64, "open": bool})),
    "a field is removed": (declaring(BEFORE), declaring({"count": Int64, "active": bool})),
    "a number becomes a decimal": (
        declaring(BEFORE),
        declaring({**BEFORE, "count": Annotated[Decimal, WAS_NUMBER]}),
    ),
    "a number becomes of any size": (
        declaring(BEFORE),
        declaring({**BEFORE, "count": Annotated[int, WAS_NUMBER]}),
    ),
    "a boolean may be text": (
        declaring(BEFORE),
        declaring({**BEFORE, "active": Annotated[bool | str, WAS_BOOLEAN]}),
    ),
    "a kind is added": (declaring(BEFORE, {"level": Int64}), declaring(BEFORE, {"why": str})),
    "a second kind is declared": (declaring(BEFORE), declaring(BEFORE, {"why": str})),
}
SAME_LAYOUT = [name for name in CHANGES if name != "a second kind is declared"]


def item(number: int, **values: Any) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "id": {"S": f"id-{number % 7}"},
        "siteId": {"S": f"site {number % 2}"},
        "createdAtTime": {"N": str(1_700_076_551_926 + number * 3_600_000)},
        "type": {"S": "reading"},
    }
    return attributes | values


OLD = [
    change(
        item(n, count={"N": str(2**62 + n)}, active={"BOOL": n % 2 == 0}, colour={"S": f"red {n}"}),
        n,
        "REMOVE" if n == 13 else "MODIFY",
    )
    for n in range(1, 20)
]


def newer(name: str) -> list[bytes]:
    """Changes as only the later declaration takes them, some of records that are there."""
    by_name: dict[str, dict[str, Any]] = {
        "a field is added": {"size": {"N": "7"}, "open": {"BOOL": True}},
        "a number becomes a decimal": {"count": {"N": "0.10000000000000000000000000000000000001"}},
        "a number becomes of any size": {"count": {"N": str(10**37)}},
        "a boolean may be text": {"active": {"S": "perhaps"}},
    }
    changes = [change(item(n, **by_name.get(name, {})), n, "MODIFY") for n in range(30, 34)]
    if "kind" in name:
        changes.append(change(item(6, type={"S": "alarm"}, why={"S": "heat"}), 40))
    return changes


def lake_as(stack: Stack, table: Table) -> Lake:
    declared = Stack(stack.name, stack.outputs)
    declared.__dict__["table"] = table
    return Lake(declared, table, [], [])


def answers(lake: Lake, table: Table) -> list[list[str]]:
    queries = [each.sql for each in saved_queries(table).values() if not each.parameters]
    queries = [sql for sql in queries if not sql.startswith(("-- Duplicates", "-- Largest"))]
    return [lake.ask(sql) for sql in [*queries, "SELECT DISTINCT * FROM all_changes"]]


@pytest.mark.parametrize("name", CHANGES)
def test_answers_stay_when_the_declaration_changes(stack: Stack, name: str) -> None:
    before, after = CHANGES[name]
    old, new = lake_as(stack, before), lake_as(stack, after)
    old.write(OLD)
    stored = old.stored()
    new.objects = old.objects
    new.write(newer(name))
    expected = answers(new, after)
    assert any("id-3" in row for rows in expected for row in rows)
    by_partition = new.ask("SELECT DISTINCT * FROM changes")
    compact(old.tables, stored[::2], [])
    assert answers(new, after) == expected
    compact(new.tables, new.stored()[::2], [])
    assert answers(new, after) == expected
    new.compact()
    assert new.stored() == []
    assert answers(new, after) == expected
    if name in SAME_LAYOUT:
        assert new.ask("SELECT DISTINCT * FROM changes") == by_partition
    assert len(new.rows(HISTORY)) == len(OLD) + len(newer(name))


class KeptObjects:
    """S3, which keeps what is deleted, for another engine."""

    def delete_objects(self, **_: Any) -> dict[str, Any]:
        return {}


def by_athena(table: Table, athena: FakeAthena) -> AthenaCompaction:
    clients: dict[str, Any] = {"athena": athena, "s3": KeptObjects(), "glue": FakeGlue({}, athena)}
    return AthenaCompaction(
        table, **clients, bucket="lake", database="the_database", workgroup="the-workgroup"
    )


def lines_of(table: Table, payloads: Sequence[bytes], place: str) -> list[tuple[str, bytes]]:
    lines = delivered(table, payloads)
    return [(f"s3://lake/data/{place}-{n:02}", line) for n, (_, line) in enumerate(lines)]


def seen(athena: FakeAthena, table: Table, view: str) -> list[str]:
    sql = next(each.sql for each in views(table) if each.name == view)
    return sorted({repr(row) for row in athena.engine.execute(translated(sql)).fetchall()})


@pytest.mark.parametrize("name", CHANGES)
def test_athenas_views_stay_when_the_declaration_changes(name: str) -> None:
    before, after = CHANGES[name]
    old, new = lines_of(before, OLD, "a"), lines_of(after, newer(name), "b")
    expected = seen(FakeAthena(after, old + new), after, "all_changes")
    athena = FakeAthena(before, old)

    def run(table: Table, lines: Sequence[tuple[str, bytes]]) -> int:
        addresses = [address for address, _ in lines]
        stored = stored_at(*(each.removeprefix("s3://lake/") for each in addresses))
        appended = by_athena(table, athena).compact(stored, []).appended
        athena.delete(addresses)
        return appended

    assert run(before, old[:10]) == 10
    deployed = seen(athena, before, "all_changes")
    by_athena(after, athena).prepare()
    # The views of before are there until the deployment comes to them.
    assert seen(athena, before, "all_changes") == deployed
    athena.declare(after)
    athena.add(new)
    assert seen(athena, after, "all_changes") == expected
    assert run(after, [*old[10:], *new]) == len(old) + len(new) - 10
    assert seen(athena, after, "all_changes") == expected
    by_key = {row["id"]: row["changesequence"] for row in athena.rows(CURRENT)}
    assert seen(athena, after, "last_changes") == [
        row
        for row in expected
        if any(f"'{key}'" in row and f"'{last}'" in row for key, last in by_key.items())
    ]


def test_a_field_that_comes_back_has_no_value_of_before_it_was_removed() -> None:
    before, after = CHANGES["a field is removed"]
    athena = FakeAthena(before, lines_of(before, OLD, "a"))
    by_athena(before, athena).compact(stored_at("data/a-00", "data/a-18"), [])
    athena.delete([address for address, _ in lines_of(before, OLD, "a")])
    athena.declare(after)
    athena.add(lines_of(after, newer(""), "b"))
    by_athena(after, athena).compact(stored_at("data/b-00", "data/b-03"), [])
    rows = {row["id"]: row["colour"] for row in athena.rows(CURRENT)}
    assert [rows[f"id-{n % 7}"] for n in range(30, 34)] == [None] * 4
    assert rows["id-1"] == "red 15"


def stored_at(*keys: str) -> list[Stored]:
    return [Stored(key, 1, datetime(2026, 1, 1, tzinfo=UTC)) for key in keys]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            Decimal,
            r"column count as bigint, and it is declared as string; .*was.*bigint",
        ),
        (bool, "count as bigint, and it is declared as boolean; declare it as before"),
    ],
)
def test_a_column_is_of_another_type_only_by_declaration(
    stack: Stack, kind: Any, message: str
) -> None:
    old = lake_as(stack, declaring(BEFORE))
    old.write(OLD)
    old.compact()
    new = lake_as(stack, declaring({**BEFORE, "count": kind}))
    new.write(newer(""))
    with pytest.raises(OperationError, match=message):
        new.compact()
    assert len(new.stored()) > 0


def test_a_column_that_became_text_is_never_another_type_again(stack: Stack) -> None:
    before, after = CHANGES["a number becomes a decimal"]
    for table, payloads in ((before, OLD), (after, newer("a number becomes a decimal"))):
        lake = lake_as(stack, table)
        lake.write(payloads)
        lake.compact()
    again = lake_as(stack, before)
    again.write([change(item(50), 50)])
    with pytest.raises(OperationError, match="count as bigint and as text, and it is declared as"):
        again.compact()


def test_the_text_of_a_column_has_a_column_of_its_own(stack: Stack) -> None:
    _, after = CHANGES["a number becomes a decimal"]
    lake = lake_as(stack, after)
    lake.write([*OLD, *newer("a number becomes a decimal")])
    lake.compact()
    assert {row["count"] for row in lake.rows(HISTORY)} == {None}
    assert "0.10000000000000000000000000000000000001" in {
        row["count__string"] for row in lake.rows(HISTORY)
    }
