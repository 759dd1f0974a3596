"""A backfill beside a table at work: killed, resumed, and without a gap.

SLUICE_BACKFILL_ITEMS sets how many items it finds.
"""

import json
import os
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import boto3

from operations.items import Item, Line, item_writer, read_line
from operations.lake import keys, lines
from operations.latest import latest
from tests.attribute_values import comparable_item
from tests.end_to_end.deployment import Deployed

ITEMS = int(os.environ.get("SLUICE_BACKFILL_ITEMS", "3000"))
SITES = 20
BATCH = 25
WRITE_PAUSE_SECONDS = 0.01
DELIVERY_SECONDS = 60 + ITEMS / 200


def seeded(run: str, index: int, chance: random.Random) -> Item:
    """An item as older software may have written it: with attributes that no schema declares."""
    item: Item = {
        "id": {"S": f"{run}-{index}"},
        "siteId": {"S": f"site-{index % SITES}"},
        "createdAtTime": {"N": str(1700076551926 + index % 3 * 60_000)},
        "name": {"S": f"seeded {index}"},
        "valueOne": {"N": str(index)},
    }
    if index % 3 == 0:
        item["valueTwo"] = {"NULL": True}
    if index % 5 == 0:
        item["exact"] = {"N": f"{chance.getrandbits(100)}.{index + 1}"}
        item["nested"] = {"M": {"blob": {"B": chance.randbytes(8)}, "none": {"NULL": True}}}
        item["tags"] = {"SS": ["a", f"tag {index}"]}
    return item


class Writer:
    """Somebody else at work on the table: changes, deletes, creates and re-creates items."""

    def __init__(self, table: str, run: str, chance: random.Random) -> None:
        self._dynamodb = boto3.client("dynamodb")
        self._table = table
        self._run = run
        self._chance = chance
        self.writes = 0

    def seed(self) -> None:
        for start in range(0, ITEMS, BATCH):
            items = [
                seeded(self._run, index, self._chance)
                for index in range(start, min(start + BATCH, ITEMS))
            ]
            requests: list[Any] = [{"PutRequest": {"Item": item}} for item in items]
            while requests:
                answer = self._dynamodb.batch_write_item(RequestItems={self._table: requests})
                requests = list(answer["UnprocessedItems"].get(self._table, []))

    def write(self) -> None:
        """One change of an item, be it a seeded one, a deleted one or a new one."""
        self.writes += 1
        index = self._chance.randrange(ITEMS + ITEMS // 10)
        item = seeded(self._run, index, self._chance) | {
            "name": {"S": f"written {self.writes}"},
            "valueOne": {"N": str(self._chance.randrange(-(2**63), 2**63))},
        }
        if self._chance.random() < 0.3:
            self._dynamodb.delete_item(TableName=self._table, Key={"id": item["id"]})
        else:
            self._dynamodb.put_item(TableName=self._table, Item=item)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        done = Event()

        def work() -> None:
            while not done.wait(WRITE_PAUSE_SECONDS):
                self.write()

        thread = Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def table(self) -> dict[str, Any]:
        """The run's items as a consistent scan shows them, by key."""
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=self._table, ConsistentRead=True
        )
        return {
            item["id"]["S"]: comparable_item(item)
            for page in pages
            for item in page["Items"]
            if item["id"]["S"].startswith(self._run)
        }


class Lake:
    """The run's lines, as though the stream had begun only after the items were seeded."""

    def __init__(self, deployed: Deployed, run: str) -> None:
        self._stack = deployed.stack
        self._run = run
        self._seen: set[str] = set()
        self._lines: list[Line] = []
        self._item = item_writer()

    def state(self) -> dict[str, Any]:
        """The items by key, as the lake's latest state has them."""
        return {key: comparable_item(self._item(line)) for key, line in self._latest().items()}

    def change_types(self) -> set[str]:
        """What kinds of change the latest state is made of."""
        return {line["changeType"] for line in self._latest().values()}

    def _latest(self) -> dict[str, Line]:
        for key, _ in keys(self._stack, "data/siteId=site-"):
            if key not in self._seen:
                self._seen.add(key)
                found = map(read_line, lines(self._stack, key))
                self._lines += [line for line in found if self._counts(line)]
        return latest(self._lines)

    def _counts(self, line: Line) -> bool:
        seeding = line["changeType"] == "INSERT" and line["name"].startswith("seeded")
        return line["id"].startswith(self._run) and not seeding


def backfill(checkpoint: Path) -> "subprocess.Popen[bytes]":
    """Start a backfill slow enough to be killed in the middle of it."""
    command = [sys.executable, "-m", "operations", "backfill", "--json"]
    slowly = ["--read-capacity", "4", "--parallel", "4"]
    return subprocess.Popen(
        [*command, *slowly, "--checkpoint", str(checkpoint)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def delivered(checkpoint: Path) -> int:
    try:
        parts = json.loads(checkpoint.read_bytes())["parts"]
    except FileNotFoundError:
        return 0
    return sum(part.get("items", 0) for part in parts.values())


def kill_after(process: "subprocess.Popen[bytes]", checkpoint: Path, items: int) -> None:
    """SIGKILL, once so many items are noted as delivered."""
    deadline = time.monotonic() + DELIVERY_SECONDS
    while delivered(checkpoint) < items:
        assert process.poll() is None, f"it ended too early: {process.communicate()}"
        assert time.monotonic() < deadline, "the backfill does not get on"
        time.sleep(0.01)
    process.kill()
    process.communicate()


def test_a_backfill_killed_twice_while_items_change_leaves_the_lake_as_the_table(
    deployed_stack: Deployed, tmp_path: Path
) -> None:
    run = uuid.uuid4().hex
    chance = random.Random(run)  # noqa: S311
    writer = Writer(deployed_stack.stack.output("TableName"), run, chance)
    lake = Lake(deployed_stack, run)
    checkpoint = tmp_path / "checkpoint.json"
    writer.seed()
    before = len(writer.table())
    assert before == ITEMS
    with writer.at_work():
        kill_after(backfill(checkpoint), checkpoint, ITEMS // 4)
        kill_after(backfill(checkpoint), checkpoint, ITEMS // 2)
        last = backfill(checkpoint)
        told, complaint = last.communicate(timeout=DELIVERY_SECONDS)
    assert last.returncode == 0, complaint.decode()
    result = json.loads(told)
    assert 0 < result["itemsOfThisRun"] < result["items"]

    table = writer.table()
    deadline = time.monotonic() + DELIVERY_SECONDS
    while (state := lake.state()) != table and time.monotonic() < deadline:
        time.sleep(0.5)
    assert {key for key in table if state.get(key) != table[key]} == set()
    assert state.keys() - table.keys() == set()
    assert lake.change_types() >= {"SNAPSHOT", "INSERT", "MODIFY"}
