"""The fingerprint of a declaration: what changes it, and what does not."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.declaration import ByAttribute, ByPrefix, Key, Kind, Table, Time
from chalicelib.declared import DEFAULT, load


def record(**fields: Any) -> type[Struct]:
    return msgspec.defstruct("Order", [("pk", str), ("sk", str), *fields.items()], kw_only=True)


def shop(record_type: type[Struct], **more: Any) -> Table:
    kinds = (Kind("order", record_type, when="ORDER#"),)
    declared = Table(key=(Key("pk"), Key("sk")), kinds=kinds, told_by=ByPrefix("sk"))
    return msgspec.structs.replace(declared, **more)


AMOUNT = record(amount=int)
SHOP = shop(AMOUNT)


def test_a_fingerprint_is_the_same_in_every_process() -> None:
    assert SHOP.fingerprint == shop(record(amount=int)).fingerprint
    assert SHOP.fingerprint == "cdd12637936ba44e"


@pytest.mark.parametrize(
    "other",
    [
        shop(record(amount=Annotated[int, Meta(description="What it costs.", examples=[1])])),
        shop(msgspec.defstruct("Purchase", [("pk", str), ("sk", str), ("amount", int)])),
        shop(AMOUNT, layout=("year",)),
        shop(AMOUNT, examples=({"pk": "USER#1", "sk": "ORDER#1", "amount": 1},)),
    ],
    ids=["description", "name of the class", "layout", "examples"],
)
def test_what_changes_no_line_and_no_check_leaves_it(other: Table) -> None:
    assert other.fingerprint == SHOP.fingerprint


@pytest.mark.parametrize(
    "other",
    [
        shop(record(amount=Decimal)),
        shop(record(amount=Annotated[int, Meta(ge=0)])),
        shop(record(amount=Annotated[int, Meta(extra={"line": "price"})])),
        shop(record(amount=int | None)),
        shop(
            msgspec.defstruct(
                "Order", [("pk", str), ("sk", str), ("amount", int | UnsetType, UNSET)]
            )
        ),
        shop(record(amount=list[int])),
        shop(record(price=int)),
        shop(AMOUNT, key=(Key("pk"), Key("sk", "N"))),
        shop(AMOUNT, key=(Key("pk"),)),
        shop(AMOUNT, kinds=()),
        shop(AMOUNT, kinds=(Kind("order", AMOUNT, when="O#"),)),
        shop(AMOUNT, kinds=(Kind("order", AMOUNT, when="ORDER#", undeclared="drop"),)),
        shop(AMOUNT, told_by=ByAttribute("sk")),
        shop(AMOUNT, told_by=None),
        shop(AMOUNT, others="quarantine"),
        shop(AMOUNT, times=(Time("amount", unit="s"),)),
        shop(AMOUNT, protect={"email": "hash"}),
    ],
)
def test_what_changes_a_line_or_a_check_changes_it(other: Table) -> None:
    assert other.fingerprint != SHOP.fingerprint


def test_nested_records_and_the_members_of_a_collection_count() -> None:
    nested = [record(line=each) for each in (AMOUNT, record(amount=str))]
    listed = [record(line=list[each]) for each in nested]  # type: ignore[valid-type]
    prints = {shop(each).fingerprint for each in (*nested, *listed)}
    assert len(prints) == 4


def test_the_order_of_a_union_does_not_count() -> None:
    first, second = (shop(record(amount=each)) for each in (int | None, None | int))
    assert first.fingerprint == second.fingerprint


def test_the_file_and_its_comments_do_not_count(tmp_path: Path) -> None:
    copy = tmp_path / "copy.py"
    copy.write_text(f"# Copied.\n{DEFAULT.read_text()}")
    assert load(copy).fingerprint == load(DEFAULT).fingerprint
