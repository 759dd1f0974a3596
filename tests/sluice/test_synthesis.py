"""Synthetic records of declared tables."""

import time
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, Struct

from chalicelib.declaration import ByAttribute, ByPrefix, Key, Kind, Table, Time
from chalicelib.declared import load, shipped
from sluice.errors import OperationError
from sluice.seed import records
from sluice.synthesis import JsonRecord, Synthesis

TABLES = sorted(Path(__file__).parents[2].glob("tables/*.py"))


def chance(seed: int = 1) -> Random:
    return Random(seed)  # noqa: S311


def kinds_of(table: Table, count: int = 100) -> list[tuple[str, JsonRecord]]:
    return list(Synthesis(table, chance(3), 5, 3).records(count))


def key_of(table: Table, record: JsonRecord) -> tuple[Any, ...]:
    return tuple(record[name] for name in table.key_names)


@pytest.fixture(params=TABLES, ids=lambda path: path.stem)
def table(request: pytest.FixtureRequest) -> Table:
    return load(request.param)


def test_records_keep_the_rules_of_their_kind(table: Table) -> None:
    for kind, record in kinds_of(table):
        shape = table.shape(kind)
        msgspec.convert(record, shape.record)
        if shape.is_declared:
            assert {*record} <= {*shape.fields, table.told_by and table.told_by.name}


def test_every_kind_comes_in_turn_and_so_do_items_of_none(table: Table) -> None:
    counts = Counter(kind for kind, _ in kinds_of(table))

    assert {*counts} == {shape.kind for shape in table.shapes}
    assert max(counts.values()) - min(counts.values()) <= 1


def test_keys_differ_within_a_run_and_between_runs(table: Table) -> None:
    one = chance()
    runs = [records(table, 100, one, 5, 3) for _ in range(2)]

    assert len({str(key_of(table, record)) for run in runs for record in run}) == 200


def test_a_change_alters_one_field_that_moves_the_record_nowhere(table: Table) -> None:
    synthesis = Synthesis(table, chance(3), 5, 3)
    told_by = {table.told_by.name} if table.told_by else set()
    levels = {level.attribute for level in table.levels}
    for kind, record in list(synthesis.records(100)):
        changed = synthesis.changed(kind, record)
        assert changed is not None
        (name,) = [each for each in changed if changed[each] != record.get(each)]
        assert {*record} - {name} == {*changed} - {name}
        assert name not in {*table.key_names, *levels, *told_by, *(t.field for t in table.times)}


def test_event_times_are_of_the_last_minutes() -> None:
    now = time.time()
    for record in records(shipped(), 100, chance(), 5, minutes=3):
        assert now - 180 - 1 <= record["createdAtTime"] / 1000 <= now + 1
    shop = load(TABLES[[each.stem for each in TABLES].index("shop")])
    for record in records(shop, 100, chance(), 5, minutes=3):
        if "createdAt" in record:
            moment = datetime.fromisoformat(record["createdAt"])
            assert now - 180 - 1 <= moment.timestamp() <= now + 1


def test_the_level_of_reports_has_as_many_values_as_asked_for() -> None:
    sites = {record["siteId"] for record in records(shipped(), 200, chance(), groups=4)}

    assert sites == {"site-1", "site-2", "site-3", "site-4"}


class Base(Struct):
    code: Annotated[bytes, Meta(max_length=4)]
    at: Annotated[int, Meta(ge=0)]
    place: Annotated[str, Meta(pattern="^(north|south)$")]
    line: Annotated[int, Meta(ge=10, le=12)]
    day: Annotated[str, Meta(max_length=10)]


class Alarm(Base):
    type: str
    tags: set[str] | None = None


class Note(Base):
    text: str


TYPED = Table(
    key=(Key("code", "B"), Key("at", "N")),
    kinds=(Kind("alarm", Alarm, "Alarm"), Kind("note", Note, "Note")),
    told_by=ByAttribute("type"),
    times=(Time("at", "us"), Time("day", "iso", offset="+02:00")),
    layout=("place", "line", "year", "month"),
)


def test_kinds_told_by_an_attribute_have_its_text_declared_or_not() -> None:
    texts = {(kind, record.get("type")) for kind, record in kinds_of(TYPED)}

    assert texts == {("alarm", "Alarm"), ("note", "Note"), ("other", None)}


def test_times_and_levels_keep_the_rules_of_their_fields() -> None:
    declared = [record for kind, record in kinds_of(TYPED) if kind != "other"]

    assert {len(str(record["at"])) for record in declared} == {16}
    assert {record["day"] for record in declared} <= {
        datetime.fromtimestamp(time.time() - back, UTC).date().isoformat() for back in (0, 240)
    }
    assert {record["place"] for record in declared} == {"north", "south"}
    assert {record["line"] for record in declared} == {10, 11, 12}


class Single(Struct):
    pk: Annotated[str, Meta(pattern="^C#[0-9]{1,6}$")]
    sk: Annotated[str, Meta(pattern="^PROFILE(-OLD)?$")]


def test_a_kind_told_by_a_prefix_has_it_also_where_rules_leave_little_room() -> None:
    table = Table(
        key=(Key("pk"), Key("sk")),
        kinds=(Kind("profile", Single, "PROFILE"),),
        told_by=ByPrefix("sk"),
        others="drop",
    )
    made = records(table, 100, chance())

    assert all(record["sk"].startswith("PROFILE") for record in made)
    assert len({key_of(table, record) for record in made}) == 100
    synthesis = Synthesis(table, chance(), 5, 3)
    (((kind, record)),) = synthesis.records(1)
    assert synthesis.changed(kind, record) is None


def test_too_many_records_for_the_rules_of_the_key_are_refused() -> None:
    class Switch(Struct):
        id: Annotated[str, Meta(pattern="^[ab]$")]

    table = Table(key=(Key("id"),), kinds=(Kind("switch", Switch),))

    with pytest.raises(OperationError, match="leave too few different keys: 2 were found"):
        records(table, 3, chance())


def test_the_same_chance_makes_the_same_records_but_for_their_times() -> None:
    class Plain(Struct):
        id: str
        amounts: list[Decimal]

    table = Table(key=(Key("id"),), kinds=(Kind("plain", Plain),))

    assert records(table, 50, chance()) == records(table, 50, chance())
