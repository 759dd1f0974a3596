"""The lake's latest state equals the table's, whatever happened and however it arrived."""

from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chalicelib import declaration
from chalicelib.change import SEQUENCE_DIGITS
from chalicelib.schema import TABLE
from tests.sluice.verify.latest import latest

STREAM_SEQUENCE = 10**20


@dataclass
class Table:
    """A table that writes its changes as lines, as the stream and a backfill would."""

    state: dict[str, int] = field(default_factory=dict)
    lines: list[dict[str, Any]] = field(default_factory=list)
    moment: int = 0

    def put(self, key: str, value: int) -> None:
        change = "MODIFY" if key in self.state else "INSERT"
        self.state[key] = value
        self._write(change, key, value)

    def delete(self, key: str) -> None:
        if key in self.state:
            self._write("REMOVE", key, self.state.pop(key))

    def snapshot(self) -> None:
        self.moment += 1
        for key, value in self.state.items():
            self._line("SNAPSHOT", key, value, 1_700_000_000_000 + self.moment)

    def forget(self) -> None:
        """What came before the stream: the changes are nowhere, their outcome is in the table."""
        self.lines.clear()

    def _write(self, change: str, key: str, value: int) -> None:
        self.moment += 1
        self._line(change, key, value, STREAM_SEQUENCE + self.moment)

    def _line(self, change: str, key: str, value: int, sequence: int) -> None:
        self.lines.append(
            {
                "id": key,
                "value": value,
                "changeType": change,
                "changeSequence": str(sequence).zfill(SEQUENCE_DIGITS),
                "eventId": f"{key}-{sequence}",
            }
        )


keys = st.sampled_from("abc")
steps = st.one_of(
    st.tuples(st.just("put"), keys, st.integers(0, 9)),
    st.tuples(st.just("delete"), keys),
    st.tuples(st.just("snapshot")),
)


def state_of(lines: list[dict[str, Any]]) -> dict[str, int]:
    return {line["id"]: line["value"] for line in latest(TABLE, lines)}


@given(st.lists(steps, max_size=20), st.lists(steps, max_size=40), st.data())
def test_the_latest_state_is_the_tables_through_duplicates_and_disorder(
    before: list[Any], after: list[Any], data: st.DataObject
) -> None:
    table = Table()
    for name, *arguments in before:
        getattr(table, name)(*arguments)
    table.forget()
    at = data.draw(st.integers(0, len(after)), label="the backfill that finds what was before")
    for name, *arguments in [*after[:at], ("snapshot",), *after[at:]]:
        getattr(table, name)(*arguments)
    again = data.draw(st.lists(st.sampled_from(table.lines or [{}])), label="duplicates")
    arrived = data.draw(st.permutations(table.lines + [each for each in again if each]))
    assert state_of(arrived) == table.state


def test_a_snapshot_yields_to_every_change_whichever_arrives_first() -> None:
    table = Table()
    table.put("a", 1)
    table.snapshot()
    table.put("a", 2)
    table.snapshot()
    table.delete("a")
    for arrived in permutations(table.lines):
        assert state_of(list(arrived)) == {}


def test_of_two_snapshots_the_later_one_wins() -> None:
    table = Table()
    table.put("a", 1)
    table.forget()
    table.snapshot()
    table.snapshot()
    first, second = table.lines
    assert latest(TABLE, [second, first]) == [second]


def test_a_key_of_two_parts_is_both_of_them() -> None:
    table = declaration.Table(key=(declaration.Key("pk"), declaration.Key("n", "N")))
    lines = [
        {"pk": "a", "n": number, "changeType": "INSERT", "changeSequence": sequence}
        for number, sequence in ((1, "1"), (2, "2"), (1, "3"))
    ]
    assert latest(table, lines) == [lines[2], lines[1]]


def test_an_item_written_again_after_its_delete_is_in_the_latest_state() -> None:
    table = Table()
    table.put("a", 1)
    table.delete("a")
    table.put("a", 3)
    assert state_of(table.lines[::-1]) == {"a": 3}
