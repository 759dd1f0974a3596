"""Items that came back without a change in the stream are in the latest state again."""

import json
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.catalog import partition_column, partition_levels
from chalicelib.change import SEQUENCE_DIGITS
from chalicelib.declaration import Key, Table
from chalicelib.keys import key_of
from chalicelib.schema import TABLE
from chalicelib.transform import transformer
from sluice.backfill.restored import Restored, former_sequences, refuse_too_late, refuse_waiting
from sluice.backfill.source import Page, SourceItem, snapshot
from sluice.errors import OperationError
from sluice.items import read_line
from sluice.query.athena import QueryResult
from sluice.query.emulator import Limits, answer
from sluice.stack import Stack
from tests.declaring import change, delivered, items_of
from tests.fakes import error_line
from tests.sluice.backfill.conftest import MemorySource
from tests.sluice.conftest import StackOf
from tests.sluice.verify.latest import latest

START = 1_700_000_000
TRANSFORM = transformer(TABLE)


def line_of(payload: bytes) -> dict[str, Any]:
    """The line that the transform makes of a payload."""
    event = {"records": [{"recordId": "1", "data": b64encode(payload).decode()}]}
    (answer,) = TRANSFORM(event)["records"]
    assert answer["result"] == "Ok"
    return read_line(b64decode(answer["data"]))


class Lake:
    """A lake of these lines. The query is plain SQL, which SQLite runs too."""

    def __init__(self, lines: list[dict[str, Any]]) -> None:
        self._lines = lines

    def run(self, sql: str) -> QueryResult:
        connection = sqlite3.connect(":memory:")
        connection.execute("CREATE TABLE all_changes (id, changetype, changesequence, changedat)")
        names = ("id", "changeType", "changeSequence", "changedAt")
        connection.executemany(
            "INSERT INTO all_changes VALUES (?, ?, ?, ?)",
            [[line[name] for name in names] for line in self._lines],
        )
        rows = connection.execute(sql).fetchall()
        connection.close()
        return QueryResult(("id", "before", "later"), iter(rows), 0, 0)


class Engine:
    """The lake of a stack on the emulator."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def run(self, sql: str) -> QueryResult:
        table = self._stack.table
        levels = {partition_column(level): level.name for level in partition_levels(table)}
        found = answer(self._stack, table, sql, levels, Limits())
        return QueryResult(found.columns, iter(found.rows), 0, 0, found.problems)


@dataclass
class RestoredTable:
    """A table whose changes are lines of the lake, but for those that no stream carries."""

    state: dict[str, int] = field(default_factory=dict)
    lines: list[dict[str, Any]] = field(default_factory=list)
    now: int = START
    sequence: int = 10**20

    def put(self, key: str, value: int, step: int) -> None:
        kind = "MODIFY" if key in self.state else "INSERT"
        self.state[key] = value
        self._write(kind, key, value, step)

    def delete(self, key: str, _value: int, step: int) -> None:
        if key in self.state:
            self._write("REMOVE", key, self.state.pop(key), step)

    def restore(self, key: str, value: int, _step: int) -> None:
        self.state[key] = value
        self.now += 1

    def backfill(self, moment: int, known: list[dict[str, Any]]) -> None:
        """Read every item; of the lines, only the known ones have arrived."""
        former = former_sequences(Lake(known), TABLE, datetime.fromtimestamp(moment, UTC))
        table = self

        class Items(MemorySource):
            def pages(self, _part: str, _after: str | None) -> Iterator[Page]:
                items = [
                    SourceItem(json.dumps({"id": {"S": key}}).encode(), image(key, value))
                    for key, value in table.state.items()
                ]
                yield Page(table.now * 1000, items, None)

        source = Restored(Items({"a": []}), TABLE, datetime.fromtimestamp(moment, UTC), former)
        for page in source.pages("a", None):
            self.lines += [line_of(snapshot(item, page.moment)) for item in page.items]
        self.now += 1

    def _write(self, kind: str, key: str, value: int, step: int) -> None:
        self.sequence = min(self.sequence + step, 10**SEQUENCE_DIGITS - 1)
        data = {
            "SequenceNumber": str(self.sequence),
            "ApproximateCreationDateTime": self.now,
            "OldImage" if kind == "REMOVE" else "NewImage": json.loads(image(key, value)),
        }
        change = {"eventID": str(self.sequence), "eventName": kind, "dynamodb": data}
        self.lines.append(line_of(json.dumps(change).encode()))
        self.now += 1


def image(key: str, value: int) -> bytes:
    return json.dumps(
        {
            "id": {"S": key},
            "siteId": {"S": "2"},
            "createdAtTime": {"N": "1700076551318"},
            "valueOne": {"N": str(value)},
        }
    ).encode()


keys = st.sampled_from("ab")
values = st.integers(0, 9)
# Neighbours, and numbers of more digits than the ones before.
growth = st.integers(1, 3) | st.integers(10**20, 10**33)
changes = st.lists(st.tuples(st.sampled_from(["put", "delete"]), keys, values, growth), max_size=6)
restores = st.lists(st.tuples(st.just("restore"), keys, values, st.just(0)), max_size=2)


def state_of(lines: list[dict[str, Any]]) -> dict[str, int]:
    return {line["id"]: line["valueOne"] for line in latest(TABLE, lines)}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(changes, restores, changes, changes), min_size=1, max_size=3), st.data())
def test_the_latest_state_is_the_tables_after_every_restore(
    rounds: list[tuple[list[Any], ...]], data: st.DataObject
) -> None:
    table = RestoredTable()

    def run(steps: list[Any]) -> None:
        for name, *arguments in steps:
            getattr(table, name)(*arguments)

    for before, restored, during, after in rounds:
        run(before)
        run(restored)
        moment, arrived = table.now, len(table.lines)
        run(during)
        known = data.draw(st.integers(arrived, len(table.lines)), label="lines that have arrived")
        table.backfill(moment, table.lines[:known])
        run(after)
        assert state_of(data.draw(st.permutations(table.lines))) == table.state


@pytest.mark.parametrize("name", ["shop", "blobs", "meters", "sensors"])
def test_a_key_of_any_parts_is_found_in_the_lake_and_its_snapshot_outranks_it(
    stack_of: StackOf, name: str
) -> None:
    stack = stack_of(name)
    table, items = stack.table, items_of(stack.table, 12)
    restored, unknown = items[:9], items[9:]
    changes = [
        change(item, 100 * round + number, "REMOVE" if round == 2 else "MODIFY")
        for round in (1, 2)
        for number, item in enumerate(restored)
    ]
    for number, (folder, line) in enumerate(delivered(table, changes)):
        stack.s3.put_object(Bucket=stack.bucket, Key=f"{folder}{number}", Body=line)
    moment = datetime.fromtimestamp(START + 1, UTC)
    former = former_sequences(Engine(stack), table, moment)

    class Items(MemorySource):
        def pages(self, _part: str, _after: str | None) -> Iterator[Page]:
            encode = msgspec.json.encode
            found = [SourceItem(encode(key_of(table, each)), encode(each)) for each in items]
            yield Page(1_700_000_005_000, found, None)

    (page,) = Restored(Items({"a": []}), table, moment, former).pages("a", None)
    assert [item.outranks for item in page.items] == [
        *(str(200 + number).zfill(SEQUENCE_DIGITS) for number in range(len(restored))),
        *("" for _ in unknown),
    ]
    snapshots = delivered(table, [snapshot(item, page.moment) for item in page.items])
    versions = delivered(table, changes[len(restored) :])
    for (_, later), (_, earlier) in zip(snapshots, versions, strict=False):
        sequences = [read_line(line)["changeSequence"] for line in (earlier, later)]
        assert sequences == sorted(set(sequences))


NUMBERED = Table(key=(Key("n", "N"),))


class Rows:
    """A lake that answers every query with these rows."""

    def __init__(self, *rows: tuple[Any, ...]) -> None:
        self._rows = rows

    def run(self, _sql: str) -> QueryResult:
        return QueryResult(("n", "before", "after"), iter(self._rows), 0, 0)


def test_spellings_of_one_number_are_one_key_and_no_key_is_none() -> None:
    rows = [(text, sequence, None) for text, sequence in (("1E+2", "2"), (100, "3"), ("100", "1"))]
    lake = Rows(*rows, (None, "4", None), ("7", None, "5"))
    assert former_sequences(lake, NUMBERED, datetime.fromtimestamp(START, UTC)) == {("100",): "3"}


def test_a_lake_with_a_key_that_is_not_of_its_type_is_refused() -> None:
    with pytest.raises(OperationError, match="one has a key that is not a number"):
        former_sequences(Rows(("x", "1", None)), NUMBERED, datetime.fromtimestamp(START, UTC))


def test_an_item_restored_after_its_delete_is_back_and_yields_to_later_changes() -> None:
    table = RestoredTable()
    table.put("a", 1, 1)
    table.delete("a", 0, 1)
    table.restore("a", 1, 0)
    table.backfill(table.now, table.lines)
    assert state_of(table.lines) == {"a": 1}
    table.put("a", 2, 1)
    assert state_of(table.lines[::-1]) == {"a": 2}
    table.delete("a", 0, 1)
    assert state_of(table.lines) == {}


def test_a_key_that_the_lake_does_not_know_gets_an_ordinary_snapshot() -> None:
    table = RestoredTable()
    table.restore("a", 1, 0)
    table.backfill(table.now, table.lines)
    assert table.lines[0]["changeSequence"] == str((START + 1) * 1000).zfill(SEQUENCE_DIGITS)


def test_a_stream_whose_later_numbers_are_smaller_is_refused() -> None:
    table = RestoredTable()
    table.put("a", 1, 10**25)
    moment = table.now
    table.sequence = 10**20
    table.put("a", 2, 1)
    with pytest.raises(OperationError, match="another table's"):
        former_sequences(Lake(table.lines), TABLE, datetime.fromtimestamp(moment, UTC))


def test_a_moment_whose_changes_may_be_on_their_way_is_refused() -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    with pytest.raises(OperationError, match="on their way for 90 s"):
        refuse_too_late(now - timedelta(seconds=60), 150, now)
    refuse_too_late(now - timedelta(seconds=150), 150, now)


def test_changes_that_wait_outside_the_lake_are_refused_with_what_brings_them_in(
    stack: Stack, put_errors: Callable[..., str]
) -> None:
    refuse_waiting(stack, 150)
    key = put_errors(error_line(b"a"))
    with pytest.raises(OperationError, match=r"run sluice replay: 1 error object .* move out of"):
        refuse_waiting(stack, 150)
    stack.sqs.send_message(QueueUrl=stack.output("DeadLetterQueueUrl"), MessageBody="{}")
    with pytest.raises(OperationError, match=r"replay: 1 .*, and sluice redrive: 1 dead letter"):
        refuse_waiting(stack, 150)
    stack.s3.delete_object(Bucket=stack.bucket, Key=key)
    with pytest.raises(OperationError, match=r"run sluice redrive: 1 dead letter;"):
        refuse_waiting(stack, 150)


def test_a_replay_whose_changes_may_be_on_their_way_is_waited_for(stack: Stack) -> None:
    stack.s3.put_object(Bucket=stack.bucket, Key="errors-replayed/a.gz", Body=b"")
    with pytest.raises(OperationError, match=r"just replayed .* for 1[45][0-9] s"):
        refuse_waiting(stack, 150)
    refuse_waiting(stack, 150, datetime.now(UTC) + timedelta(seconds=150))


@pytest.mark.parametrize(
    "sequence", ["1.1700000000000", "0" * 40 + ".17", "0" * 40 + ".", "x" * 40 + ".1700000000000"]
)
def test_no_other_sequence_with_a_point_is_taken(sequence: str) -> None:
    data = {
        "SequenceNumber": sequence,
        "ApproximateCreationDateTime": START,
        "NewImage": json.loads(image("a", 1)),
    }
    change = {"eventID": "e", "eventName": "SNAPSHOT", "dynamodb": data}
    event = {
        "records": [{"recordId": "1", "data": b64encode(json.dumps(change).encode()).decode()}]
    }
    assert TRANSFORM(event)["records"][0]["result"] == "ProcessingFailed"
