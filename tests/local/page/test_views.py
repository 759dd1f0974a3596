"""The HTML of the regions, and of a query's rows."""

import re
from typing import Any

import pytest

from chalicelib.declared import shipped
from chalicelib.partitions import FEED_FAILURES
from local.page.snapshot import LakeState, Quarantine, Snapshot
from local.page.views import Views
from sluice.recovery.error_lines import FailedRecord
from sluice.recovery.quarantine import QuarantinedRecord


def heads(rows: list[dict[str, Any]]) -> list[tuple[str, bool]]:
    """The columns of the table, and whether each is one of numbers."""
    html = Views(shipped()).result(rows, [])
    return [
        (name, "number" in attributes)
        for attributes, name in re.findall(r'<th scope="col"([^>]*)>(\w+)', html)
    ]


@pytest.mark.parametrize(
    ("values", "numeric"),
    [([1, 2.5, None], True), ([1, "2"], False), ([True], False), ([None, None], False)],
)
def test_a_column_is_numeric_when_it_holds_nothing_but_numbers(
    values: list[Any], numeric: bool
) -> None:
    rows = [{"name": "a", "value": value} for value in values]
    assert heads(rows) == [("name", False), ("value", numeric)]


def test_an_empty_answer_has_no_table() -> None:
    html = Views(shipped()).result([], ["the columns are a, b"])
    assert "<table" not in html
    assert "0 rows" in html
    assert "the columns are a, b" in html


@pytest.mark.parametrize(
    ("kind", "feed", "given_up"),
    [("pipe", "Pipe", "Dead letters"), ("function", "Feed", "Failures")],
)
def test_the_picture_shows_which_feed_there_is(kind: str, feed: str, given_up: str) -> None:
    flow = Views(shipped()).regions(Snapshot(feed_kind=kind))["flow"]
    assert f">{feed}</text>" in flow
    assert f">{given_up}</text>" in flow
    other = {"Pipe", "Feed", "Dead letters", "Failures"} - {feed, given_up}
    assert not [name for name in other if f">{name}</text>" in flow]


def test_changes_that_the_feed_gave_up_are_listed_but_not_as_records_of_errors() -> None:
    record = FailedRecord(4, "RecordTooLarge", "The feed gave it up.", 0, b"")
    latest = (QuarantinedRecord(record, f"{FEED_FAILURES}feed/a", 0),)
    quarantine = Quarantine({"Lambda.FunctionError": 3}, latest, {"RecordTooLarge": 2})
    regions = Views(shipped()).regions(Snapshot(quarantine=quarantine))
    text = re.sub(r"<[^>]+>|\s+", " ", regions["quarantine"])
    assert re.search(r"RecordTooLarge +2 changes", text)
    assert "sluice redrive" in text
    assert f"{FEED_FAILURES}feed/a, change 4" in text
    assert "4 more" in text
    assert "Replay RecordTooLarge" not in regions["quarantine"]
    assert re.search(r">Quarantine</text>\s*<text class=\"value\"[^>]*>3<", regions["flow"])


def test_raw_and_compacted_changes_stand_apart() -> None:
    lake = LakeState(objects=2, partitions={"data/siteId=1/": 5}, compacted=7)
    flow = Views(shipped()).regions(Snapshot(lake=lake))["flow"]
    values = re.findall(r'class="name"[^>]*>([\w ]+)</text>\s*<text class="value"[^>]*>(\d+)', flow)
    assert [value for value in values if value[0] in ("Raw lake", "Compacted")] == [
        ("Raw lake", "5"),
        ("Compacted", "7"),
    ] * 2


def test_a_lake_that_is_all_compacted_is_not_said_to_be_empty() -> None:
    regions = Views(shipped()).regions(Snapshot(lake=LakeState(compacted=7)))
    assert "All 7 changes are compacted." in regions["latest"]
    assert "All raw objects are compacted." in regions["heat"]
    empty = Views(shipped()).regions(Snapshot())
    assert "The lake is empty." in empty["latest"]
    assert "No partition yet." in empty["heat"]
