"""The transform's reading of a payload, repeated beside the stack."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.change import CHANGE_TYPES
from chalicelib.schema import TABLE
from chalicelib.transform import ReaderSettings
from sluice.transform import reason_reader

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
