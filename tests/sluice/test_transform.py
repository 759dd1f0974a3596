"""The transform's reading of a payload, repeated beside the stack."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.change import CHANGE_TYPES
from chalicelib.schema import TABLE
from chalicelib.transform import ReaderSettings
from sluice.transform import reason_reader
from tests.declaring import change, items_of, worked

SETTINGS = ReaderSettings(table=TABLE, change_types=CHANGE_TYPES)
ITEM: dict[str, Any] = {
    "id": {"S": "a"},
    "siteId": {"S": "2"},
    "createdAtTime": {"N": "1700076551318"},
}


@pytest.fixture
def reason() -> Callable[..., str | None]:
    """The reason for a change of an item with these attributes."""
    read = reason_reader(SETTINGS)

    def of(**attributes: Any) -> str | None:
        data = {
            "SequenceNumber": "100000000003498069978",
            "ApproximateCreationDateTime": 1700076600,
            "NewImage": ITEM | attributes,
        }
        change = {"eventID": "e", "eventName": "INSERT", "dynamodb": data, "userIdentity": ""}
        return read(json.dumps(change).encode())

    return of


def test_a_change_that_the_transform_reads_has_no_reason(
    reason: Callable[..., str | None],
) -> None:
    assert reason() is None


def test_the_reason_names_field_and_rule_and_no_value(reason: Callable[..., str | None]) -> None:
    assert reason(valueOne={"S": "secret"}) == (
        "valueOne is not of the type that the schema declares"
    )


def test_a_value_that_cannot_name_a_partition_is_a_reason(
    reason: Callable[..., str | None],
) -> None:
    text = reason(siteId={"S": ""})
    assert text is not None
    assert text.startswith("siteId ")


def test_the_layout_of_the_stack_decides() -> None:
    read = reason_reader({**SETTINGS, "table": TABLE.with_layout(["name"])})
    data = {"SequenceNumber": "1", "ApproximateCreationDateTime": 1, "NewImage": ITEM}
    text = read(json.dumps({"eventID": "e", "eventName": "INSERT", "dynamodb": data}).encode())
    assert text is not None
    assert text.startswith("name ")


def test_a_change_that_the_transform_drops_has_no_reason() -> None:
    data = {"SequenceNumber": "1", "ApproximateCreationDateTime": 1, "OldImage": ITEM}
    change = {"eventID": "e", "eventName": "REMOVE", "dynamodb": data}
    assert reason_reader({**SETTINGS, "change_types": ["INSERT"]})(json.dumps(change).encode()) is (
        None
    )


@pytest.mark.parametrize("name", ["shop", "blobs"])
def test_changes_of_every_kind_have_no_reason_here_without_the_key_that_hashes(name: str) -> None:
    table = worked(name)
    read = reason_reader({"table": table, "change_types": CHANGE_TYPES})
    assert {read(change(item, 1)) for item in items_of(table, 20)} == {None}


def test_the_reason_for_a_change_is_by_the_rules_of_its_kind() -> None:
    shop = worked("shop")
    read = reason_reader({"table": shop, "change_types": CHANGE_TYPES})
    by_kind = {shop.kind_of(item): item for item in items_of(shop, 20)}
    by_kind["customer"]["email"] = {"N": "7"}
    by_kind["order"]["total"] = {"S": "secret"}
    by_kind["item"]["color"] = {"S": "secret"}
    by_kind["other"]["total"] = {"S": "secret"}
    assert {kind: read(change(item, 1)) for kind, item in by_kind.items()} == {
        "customer": None,
        "order": "total is not of the type that the schema declares",
        "item": "has attributes that the schema does not declare",
        "other": None,
    }
