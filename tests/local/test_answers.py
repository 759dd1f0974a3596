"""The answers that saved queries must give, against answers that are wrong in one place."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from chalicelib.catalog import columns
from chalicelib.declaration import Key, Kind, Table, Time
from local.answers import CHECKS, LakeContents


class Reading(msgspec.Struct):
    meter: str
    ts: int
    region: str


TABLE = Table(
    key=(Key("meter"), Key("ts", "N")),
    kinds=(Kind("reading", Reading),),
    times=(Time("ts", "s"),),
    layout=("region", "year"),
)
HOUR = 1_777_885_200


def line(meter: str, change: str, sequence: int, region: str = "NL") -> dict[str, Any]:
    return {
        "meter": meter,
        "ts": HOUR,
        "region": region,
        "changeType": change,
        "changeSequence": f"{sequence:03}",
        "changedAt": HOUR * 1000 + 7_200_000,
        "eventId": f"event-{sequence}",
        "eventTime": HOUR * 1000,
    }


A1, A2, B1, B2 = (
    line("a", "INSERT", 1),
    line("a", "MODIFY", 2, "DE"),
    line("b", "INSERT", 3),
    line("b", "REMOVE", 4),
)
LINES = [A2, B2, A1, B1, B1]
ITEMS = [{"meter": {"S": "a"}, "ts": {"N": str(HOUR)}, "region": {"S": "DE"}}]
TIME = "2026-05-04 09:00:00"
LATE = (TIME, "2026-05-04 11:00:00", 2.0)


def row(line: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(line.get(column.key) for column in columns(TABLE))


ANSWERS: dict[str, Sequence[tuple[Any, ...]]] = {
    "duplicates": [("event-3", "NL", "b", HOUR, 2)],
    "history": [("changed", *row(B1)), ("changed", *row(B1)), ("changed", *row(B2))],
    "hours": [("NL", TIME, 3, 2), ("DE", TIME, 1, 1)],
    "largest": [("NL", TIME, 4), ("DE", TIME, 1)],
    "late": [("NL", "a", HOUR, *LATE), *[("NL", "b", HOUR, *LATE)] * 2],
    "latest": [(*row(A2), 1)],
}


def is_right(name: str, rows: Sequence[tuple[Any, ...]]) -> bool:
    return CHECKS[name](LakeContents(TABLE, LINES), rows, ITEMS, ("b", str(HOUR)))


@pytest.mark.parametrize("name", ANSWERS)
def test_a_right_answer_is_right_and_one_row_less_or_more_is_wrong(name: str) -> None:
    rows = ANSWERS[name]
    assert is_right(name, rows)
    assert not is_right(name, rows[:-1])
    assert not is_right(name, [*rows, rows[-1]])


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("duplicates", [("event-3", "NL", "b", HOUR, 3)]),
        ("duplicates", [("event-3", "NL", "a", HOUR, 2)]),
        ("history", [("changed", *row(each)) for each in (B2, B1, B1)]),
        ("history", [("changed", *row(each)) for each in (B1, B1, {**B2, "region": "DE"})]),
        ("hours", [("NL", TIME, 4, 2), ("DE", TIME, 1, 1)]),
        ("hours", [("NL", TIME, 3, 1), ("DE", TIME, 1, 1)]),
        ("hours", [("NL", "2026-05-04 10:00:00", 3, 2), ("DE", TIME, 1, 1)]),
        ("largest", [("DE", TIME, 1), ("NL", TIME, 4)]),
        ("largest", [("NL", "2026-05-04 09:01:00", 4), ("DE", TIME, 1)]),
        ("late", [("NL", "b", HOUR, *LATE)] * 3),
        ("latest", [(*row(A1), 1)]),
        ("latest", [(*row(A2), 1), (*row(B1), 1)]),
    ],
)
def test_a_wrong_answer_is_wrong(name: str, rows: Sequence[tuple[Any, ...]]) -> None:
    assert not is_right(name, rows)


def test_the_latest_state_must_be_that_of_the_items_in_the_table() -> None:
    lake = LakeContents(TABLE, LINES)
    rows = ANSWERS["latest"]
    assert not lake.latest(rows, [])
    assert not lake.latest(rows, [*ITEMS, {**ITEMS[0], "meter": {"S": "c"}}])


def test_without_deletes_in_the_lake_it_keeps_what_the_table_lost() -> None:
    lake = LakeContents(TABLE, [A2, B1], has_deletes=False)
    rows = [(*row(A2), 1), (*row(B1), 1)]
    assert lake.latest(rows, ITEMS)
    assert not lake.latest(rows[:1], ITEMS)
    assert not lake.latest(rows, [*ITEMS, {**ITEMS[0], "meter": {"S": "c"}}])
    assert not LakeContents(TABLE, [A2, B1]).latest(rows, ITEMS)
