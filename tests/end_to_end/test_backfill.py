"""A backfill beside a table at work: killed, resumed, and without a gap.

SLUICE_BACKFILL_ITEMS sets how many items it finds.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any, cast

import boto3

from chalicelib.schema import TABLE
from sluice.items import Item, Line, item_writer, read_line
from sluice.lake import keys, lines
from tests.attribute_values import comparable_item
from tests.end_to_end.deployment import Deployed
from tests.sluice.backfill.exports import data_file, export_objects
from tests.sluice.verify.latest import latest

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
            item["id"]["S"]: comparable_item(cast(Item, item))
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
        self._item = item_writer(TABLE)

    def state(self) -> dict[str, Any]:
        """The items by key, as the lake's latest state has them."""
        return {line["id"]: comparable_item(self._item(line)) for line in self._latest()}

    def change_types(self) -> set[str]:
        """What kinds of change the latest state is made of."""
        return {line["changeType"] for line in self._latest()}

    def _latest(self) -> list[Line]:
        for key, _ in keys(self._stack, "data/siteId=site-"):
            if key not in self._seen:
                self._seen.add(key)
                found = map(read_line, lines(self._stack, key))
                self._lines += [line for line in found if self._counts(line)]
        return latest(TABLE, self._lines)

    def _counts(self, line: Line) -> bool:
        seeding = line["changeType"] == "INSERT" and line["name"].startswith("seeded")
        return line["id"].startswith(self._run) and not seeding


SLOWLY = ("--read-capacity", "4", "--parallel", "4")
"""Pages of some hundred items, a few a second: what the emulator's reads cost does not grow."""


def backfill(deployed: Deployed, checkpoint: Path, *options: str) -> "subprocess.Popen[bytes]":
    """Start a backfill."""
    sluice = [sys.executable, "-m", "sluice", "--stack-name", deployed.stack.name]
    return subprocess.Popen(
        [*sluice, "backfill", "--json", "--checkpoint", str(checkpoint), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ended(process: "subprocess.Popen[bytes]") -> tuple[int, str, str]:
    """The exit status of a backfill, and what it wrote on standard output and error."""
    output, complaint = process.communicate(timeout=DELIVERY_SECONDS)
    return process.returncode, output.decode(), complaint.decode()


def completed(process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    """Return the report of a backfill that ran to its end."""
    status, output, complaint = ended(process)
    assert status == 0, complaint
    return dict(json.loads(output))


def delivered(checkpoint: Path) -> int:
    try:
        parts = json.loads(checkpoint.read_bytes())["parts"]
    except FileNotFoundError:
        return 0
    return sum(part.get("items", 0) for part in parts.values())


def wait_for(process: "subprocess.Popen[bytes]", checkpoint: Path, items: int) -> None:
    """Return once so many items are noted as delivered."""
    deadline = time.monotonic() + DELIVERY_SECONDS
    while delivered(checkpoint) < items:
        assert process.poll() is None, f"it ended too early: {process.communicate()}"
        assert time.monotonic() < deadline, "the backfill does not get on"
        time.sleep(0.01)


def test_a_backfill_killed_twice_while_items_change_leaves_the_lake_as_the_table(
    deployed_stack: Deployed, tmp_path: Path
) -> None:
    run = uuid.uuid4().hex
    chance = random.Random(run)  # noqa: S311
    writer = Writer(deployed_stack.stack.output("TableName"), run, chance)
    lake = Lake(deployed_stack, run)
    checkpoint = tmp_path / "checkpoint.json"
    writer.seed()
    with writer.at_work():
        for kill_at in (ITEMS // 4, ITEMS // 2):
            process = backfill(deployed_stack, checkpoint, *SLOWLY)
            wait_for(process, checkpoint, kill_at)
            process.kill()
            assert ended(process)[0] == -signal.SIGKILL
        result = completed(backfill(deployed_stack, checkpoint, *SLOWLY))
    assert ITEMS // 2 <= result["items"] - result["itemsOfThisRun"] < result["items"]

    table = writer.table()
    deadline = time.monotonic() + DELIVERY_SECONDS
    while (state := lake.state()) != table and time.monotonic() < deadline:
        time.sleep(0.5)
    assert {key for key in table if state.get(key) != table[key]} == set()
    assert state.keys() - table.keys() == set()
    assert lake.change_types() >= {"SNAPSHOT", "INSERT", "MODIFY"}


def seed_directly(deployed: Deployed, count: int) -> str:
    run = uuid.uuid4().hex
    dynamodb, chance = boto3.client("dynamodb"), random.Random(run)  # noqa: S311
    for index in range(count):
        dynamodb.put_item(
            TableName=deployed.stack.output("TableName"), Item=seeded(run, index, chance)
        )
    return run


def test_ctrl_c_ends_a_backfill_with_word_how_to_go_on_and_the_next_run_does(
    deployed_stack: Deployed, tmp_path: Path
) -> None:
    run = seed_directly(deployed_stack, 200)
    checkpoint = tmp_path / "checkpoint.json"
    process = backfill(deployed_stack, checkpoint, "--read-capacity", "0.1", "--parallel", "1")
    wait_for(process, checkpoint, 100)
    process.send_signal(signal.SIGINT)
    status, output, complaint = ended(process)
    assert (status, output) == (130, "")
    assert complaint == "interrupted: run again to go on where it was\n"

    first = delivered(checkpoint)
    result = completed(backfill(deployed_stack, checkpoint))
    assert result["items"] == first + result["itemsOfThisRun"] >= 200
    deployed_stack.wait_for(
        200, lambda line: line["id"].startswith(run) and line["changeType"] == "SNAPSHOT"
    )
    status, output, complaint = ended(backfill(deployed_stack, checkpoint))
    assert (status, output) == (1, "")
    assert "is finished" in complaint
    assert "--restart" in complaint
    assert completed(backfill(deployed_stack, checkpoint, "--restart"))["itemsOfThisRun"] >= 200


def write_export(deployed: Deployed, run: str, count: int, **summary: Any) -> str:
    """An export, in the true format, of items that the table has no more."""
    items = [
        {
            "id": {"S": f"{run}-{index}"},
            "siteId": {"S": "exported"},
            "createdAtTime": {"N": "1700076551926"},
            "valueOne": {"N": str(index)},
            "more": {"L": [{"B": "AAH/"}, {"N": "0." + "1" * 38}]},
        }
        for index in range(count)
    ]
    files = {"one.json.gz": data_file(items[:10]), "two.json.gz": data_file(items[10:])}
    table = boto3.client("dynamodb").describe_table(TableName=deployed.stack.output("TableName"))
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    named = {"tableArn": table["Table"]["TableArn"], "tableId": table["Table"]["TableId"]}
    summary = {**named, "exportTime": now, **summary}
    counts = {"one.json.gz": 10, "two.json.gz": count - 10}
    for key, body in export_objects(files, counts, prefix=f"exports/{run}/", **summary).items():
        deployed.stack.s3.put_object(Bucket=deployed.stack.bucket, Key=key, Body=body)
    return f"s3://{deployed.stack.bucket}/exports/{run}/"


def test_an_export_arrives_in_the_lake_with_the_exports_time_as_its_sequence(
    deployed_stack: Deployed, tmp_path: Path
) -> None:
    run = uuid.uuid4().hex
    taken_at = datetime.now(UTC).replace(microsecond=926_000)
    text = taken_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    uri = write_export(deployed_stack, run, 50, exportTime=text)
    result = completed(backfill(deployed_stack, tmp_path / "checkpoint.json", "--from-export", uri))
    assert result["itemsOfThisRun"] == 50
    found = deployed_stack.wait_for(50, lambda line: line["id"].startswith(run))
    assert sorted(line["valueOne"] for _, line in found) == list(range(50))
    sequence = str(round(taken_at.timestamp() * 1000)).zfill(40)
    assert {(line["changeType"], line["changeSequence"]) for _, line in found} == {
        ("SNAPSHOT", sequence)
    }
    extra = json.loads(found[0][1]["extra"])
    assert extra == {"more": {"L": [{"B": "AAH/"}, {"N": "0." + "1" * 38}]}}


def test_an_export_that_would_leave_a_gap_is_refused(
    deployed_stack: Deployed, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "checkpoint.json"
    for summary, reason in (
        ({"exportTime": "2023-11-15T19:29:11.926Z"}, "take a new export"),
        ({"tableArn": "arn:aws:dynamodb:us-east-1:000000000000:table/t"}, "the stack's table is"),
        ({"tableId": "12345a12-abcd-123a-ab12-1234abc12345"}, "of an earlier table of the name"),
    ):
        uri = write_export(deployed_stack, uuid.uuid4().hex, 20, **summary)
        status, output, complaint = ended(
            backfill(deployed_stack, checkpoint, "--from-export", uri)
        )
        assert (status, output) == (1, "")
        assert reason in complaint
    assert not checkpoint.exists()
