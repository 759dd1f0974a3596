"""Declarations from samples of items."""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from chalicelib.attributes import attribute
from chalicelib.declaration import CHANGED, ByAttribute, ByPrefix, Key, Table, Time
from chalicelib.declared import load
from chalicelib.mistakes import mistakes
from sluice.errors import OperationError
from sluice.init.proposal import Proposal, propose
from sluice.init.sample import Sample
from sluice.init.writing import write_declaration
from tests.declarations import FILES, items_of


def proposal(items: Sequence[dict[str, Any]], *key: str) -> Proposal:
    """The proposal for items, given as Python values."""
    sample = [{name: attribute(value) for name, value in item.items()} for item in items]
    return propose(Sample("a file", sample), key)


def fields(proposed: Proposal, kind: int = 0) -> dict[str, tuple[str, str]]:
    """The types and the names in the lake of a kind's fields, by the attribute's name."""
    return {field.attribute.name: (field.type, field.line) for field in proposed.fields[kind]}


def loaded(proposed: Proposal, folder: Path) -> Table:
    file = folder / "proposed.py"
    file.write_text(write_declaration(proposed))
    return load(file)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_items_of_a_worked_declaration_lead_to_one_without_a_mistake(
    file: Path, tmp_path: Path
) -> None:
    table = load(file)
    items = items_of(table, 200, Random(1))  # noqa: S311
    proposed = loaded(propose(Sample(file.name, items, table.key)), tmp_path)
    assert mistakes(proposed) == []
    assert proposed.key == table.key
    assert type(proposed.told_by) is type(table.told_by)
    declared = {time for time in table.times if time != CHANGED}
    assert declared <= set(proposed.times)


def test_the_key_is_what_differs_in_all_items() -> None:
    pairs = [{"m": f"{index // 4}", "at": index % 4, "same": "x"} for index in range(20)]
    assert proposal(pairs).key == [Key("m"), Key("at", "N")]
    assert proposal([{"name": str(n), "userId": str(n)} for n in range(9)]).key == [Key("userId")]
    assert proposal(pairs, "same", "at:N").key == [Key("same"), Key("at", "N")]
    assert proposal(pairs, "same", "at").key == [Key("same"), Key("at", "N")]
    with pytest.raises(OperationError, match="give --key NAME:TYPE once for each"):
        proposal([{"a": "1"}, {"a": "1"}])
    with pytest.raises(OperationError, match="has items without b of the type S"):
        proposal([{"a": "1"}], "b")
    with pytest.raises(OperationError, match="a file has no items to learn from"):
        proposal([])


def test_kinds_are_told_by_what_divides_the_fields_best() -> None:
    orders: list[dict[str, Any]] = [
        {"pk": f"C#{n}", "sk": f"ORDER#{n}", "total": n, "status": "ab"[n % 2]} for n in range(9)
    ]
    people = [{"pk": f"C#{n}", "sk": "PROFILE", "name": "x", "email": "y"} for n in range(9)]
    by_prefix = proposal([*orders, *people]).kinds
    assert by_prefix.told_by == ByPrefix("sk")
    assert [(kind.name, kind.when) for kind in by_prefix.kinds] == [
        ("order", "ORDER#"),
        ("profile", "PROFILE"),
    ]
    typed = [{**each, "type": str(each["sk"])[:2]} for each in [*orders, *people]]
    assert proposal(typed).kinds.told_by == ByAttribute("type")
    assert proposal(orders).kinds.told_by is None


@pytest.mark.parametrize("name", ["__edb_e__", "_et", "__typename", "entityType"])
def test_of_what_divides_alike_an_attribute_that_is_for_kinds_comes_first(name: str) -> None:
    items: list[dict[str, Any]] = [
        *({"pk": f"C#{n}", "sk": f"ORDER#{n}", name: "Order", "total": n} for n in range(9)),
        *({"pk": f"C#{n}", "sk": "#META", name: "Customer", "email": "y"} for n in range(9)),
    ]
    kinds = proposal(items).kinds
    assert kinds.told_by == ByAttribute(name)
    assert [kind.name for kind in kinds.kinds] == ["order", "customer"]


@pytest.mark.parametrize(
    ("name", "values", "time"),
    [
        ("ts", [1_700_000_000, 1_700_000_500], Time("ts", "s")),
        ("price", [1_700_000_000, 1_700_000_500], None),
        ("at", [1_700_000_000_123], Time("at", "ms")),
        ("at", [1_700_000_000_123_456], Time("at", "us")),
        ("createdAt", ["2026-05-04T20:05:00+02:00", "2026-05-04"], Time("createdAt", "iso", "Z")),
        ("createdAt", ["2026-05-04T20:05:00.5Z"], Time("createdAt", "iso")),
        ("createdAt", ["May"], None),
        ("expiresAt", [1_700_000_000], None),
        ("ts", ["1", 1_700_000_000], None),
    ],
)
def test_an_event_time_is_known_by_its_values(
    name: str, values: list[Any], time: Time | None
) -> None:
    items = [{"id": f"a{index}", name: value} for index, value in enumerate(values)]
    assert [*proposal(items, "id").times] == ([CHANGED] if time is None else [time, CHANGED])


def test_an_update_comes_before_a_creation_and_a_key_needs_no_other_time() -> None:
    moment = 1_700_000_000_000
    items = [{"id": f"a{n}", "createdAt": moment + n, "updatedAt": moment + n} for n in range(3)]
    assert proposal(items, "id").times == [Time("updatedAt"), Time("createdAt"), CHANGED]
    assert proposal(items, "id", "createdAt").times == [Time("updatedAt"), Time("createdAt")]


def test_names_that_python_the_line_or_a_column_has_already_find_a_way_out(tmp_path: Path) -> None:
    odd = ["order", "class", "__typename", "a-b", "a.b", "A_B", "eventId", "year", "str", "field"]
    odd += ["UNSET", "Record", "größe", "1st", "extra", "a b", "kind", "x" * 90]
    items = [{"id": f"a{n}", **dict.fromkeys(odd[n % 2 :], n)} for n in range(4)]
    proposed = proposal([*items, {'no"t': 1, "id": "a9"}], "id")
    table = loaded(proposed, tmp_path)
    assert mistakes(table) == []
    assert {*table.shapes[0].fields} == {"id", *odd}
    assert "with a rare or unusual name: left to extra" in proposed.doubts[0]


def test_types_hold_every_value_and_several_are_declared_as_any(tmp_path: Path) -> None:
    items = [
        {"id": "1", "whole": 1, "maps": {"a": 1}, "mixed": "a", "null": None, "set": {1}},
        {"id": "2", "whole": 2**62, "maps": {"b": "x"}, "mixed": 1, "null": True, "list": [b"x"]},
    ]
    proposed = proposal(items, "id")
    assert {name: declared for name, (declared, _) in fields(proposed).items()} == {
        "whole": "Int64",
        "maps": "dict[str, Any]",
        "mixed": "Any",
        "null": "bool | None",
        "set": "set[Decimal]",
        "list": "list[bytes]",
    }
    assert "record.mixed is of the types S 50%, N 50%: declared as Any" in proposed.doubts
    about_maps = [doubt for doubt in proposed.doubts if doubt.startswith("record.maps holds")]
    assert len(about_maps) == 1
    assert "declare its maps as a Struct" in about_maps[0]
    assert mistakes(loaded(proposed, tmp_path)) == []


def test_levels_are_what_all_items_have_and_few_differ_in() -> None:
    items = [
        {"id": f"a{n}", "site": f"s{n % 5}", "on": n % 2 == 0, "free": f"f{n}", "new": f"n{n // 9}"}
        for n in range(90)
    ]
    levels = {each.name: (each.values, each.is_growing) for each in proposal(items, "id").levels}
    assert levels == {"site": (5, False), "on": (2, False), "new": (10, True)}
