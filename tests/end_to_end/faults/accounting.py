"""What became of every change that entered the table."""

import json
from base64 import b64decode
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.partitions import FEED_FAILURES
from chalicelib.schema import TABLE
from sluice.items import item_writer
from sluice.lake import keys
from tests.end_to_end.deployment import Deployed
from tests.sluice.verify.latest import latest

Change = dict[str, Any]
"""A record of the table's stream, as boto3 gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Changes counted by where they are now: `changes` is the sum of the four that follow.

    A change found in more than one place counts at the first of them; `duplicates` are the copies
    beyond the first, wherever they lie.
    """

    changes: int
    delivered: int = 0
    quarantined: int = 0
    given_up: int = 0
    lost: int = 0
    duplicates: int = 0


def accounted(
    changes: Collection[str],
    *,
    delivered: Sequence[str] = (),
    quarantined: Sequence[str] = (),
    given_up: Sequence[str] = (),
) -> Account:
    """The account of changes, from the event id of every copy that was found of them."""
    entered = set(changes)
    places = [set(delivered), set(quarantined), set(given_up)]
    found = set().union(*places)
    assert found <= entered, f"never entered the table: {sorted(found - entered)}"
    copies = len(delivered) + len(quarantined) + len(given_up)
    return Account(
        changes=len(entered),
        delivered=len(places[0]),
        quarantined=len(places[1] - places[0]),
        given_up=len(places[2] - places[1] - places[0]),
        lost=len(entered - found),
        duplicates=copies - len(found),
    )


class Accountant:
    """Finds the changes of a run, whose items' ids begin with the run's name.

    What entered is read from the table's stream, past the pipe; what came out from the lake, from
    the error objects, and from the dead-letter queue or the failure objects.
    """

    def __init__(
        self, deployed: Deployed, *, dynamodb: Any, streams: Any, queues: Any, s3: Any
    ) -> None:
        self._deployed = deployed
        self._table = deployed.stack.output("TableName")
        self._queue_url = deployed.stack.outputs.get("DeadLetterQueueUrl")
        self._s3 = s3
        self._failures: dict[str, list[Change]] = {}
        self._dynamodb = dynamodb
        self._streams = streams
        self._queues = queues
        self._changes: list[Change] = []
        self._pointers: list[dict[str, Any]] = []
        arn = dynamodb.describe_table(TableName=self._table)["Table"]["LatestStreamArn"]
        shards = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        self._iterators = {
            shard["ShardId"]: streams.get_shard_iterator(
                StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="LATEST"
            )["ShardIterator"]
            for shard in shards
        }

    def account(self, run: str) -> Account:
        """The account of a run, as things stand."""
        return accounted(
            [change["eventID"] for change in self.changes(run)],
            delivered=[line["eventId"] for _, line in self.lines(run)],
            quarantined=[json.loads(data)["eventID"] for _, data in self._errors(run)],
            given_up=[change["eventID"] for change in self.given_up(run)],
        )

    def changes(self, run: str = "") -> list[Change]:
        """What entered the table, in order."""
        for shard_id in self._iterators:
            while records := self._next(shard_id):
                self._changes += records
        return [change for change in self._changes if _key(change).startswith(run)]

    def lines(self, run: str) -> list[tuple[str, dict[str, Any]]]:
        """What the lake has, with the objects' keys; copies too."""
        return [
            (key, line)
            for key, lines in self._deployed.objects("data/siteId=faults").items()
            for line in lines
            if line["id"].startswith(run)
        ]

    def error_codes(self, run: str) -> Counter[str]:
        """How many changes were quarantined for which reason."""
        return Counter(code for code, _ in self._errors(run))

    def given_up(self, run: str) -> list[Change]:
        """What the pipe's dead letters point at, or what is in the feed function's failure objects.

        A letter is taken from the queue when it is read.
        """
        return self._failed(run) if self._queue_url is None else self._dead_lettered(run)

    def _failed(self, run: str) -> list[Change]:
        for key, _ in keys(self._deployed.stack, FEED_FAILURES):
            if key not in self._failures:
                body = self._s3.get_object(Bucket=self._deployed.stack.bucket, Key=key)["Body"]
                payload = json.loads(body.read())["payload"]
                event = json.loads(payload) if isinstance(payload, str) else payload
                self._failures[key] = event["Records"]
        return [
            change
            for changes in self._failures.values()
            for change in changes
            if _key(change).startswith(run)
        ]

    def _dead_lettered(self, run: str) -> list[Change]:
        while messages := self._queues.receive_message(
            QueueUrl=self._queue_url, MaxNumberOfMessages=10
        ).get("Messages"):
            for message in messages:
                self._pointers.append(json.loads(message["Body"])["DDBStreamBatchInfo"])
                self._queues.delete_message(
                    QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"]
                )
        return [
            change
            for pointer in self._pointers
            for change in self.changes(run)
            if int(pointer["startSequenceNumber"])
            <= sequence_number(change)
            <= int(pointer["endSequenceNumber"])
        ]

    def check_latest_state(self, run: str) -> None:
        """Every item whose changes are all in the lake is there as it is in the table."""
        lines = [line for _, line in self.lines(run)]
        delivered = {line["eventId"] for line in lines}
        changes = self.changes(run)
        behind = {_key(change) for change in changes if change["eventID"] not in delivered}
        keys = {_key(change) for change in changes} - behind
        item = item_writer(TABLE)
        shown = {line["id"]: item(line) for line in latest(TABLE, lines) if line["id"] in keys}
        stored = self._items(keys)
        wrong = sorted(key for key in keys if shown.get(key) != stored.get(key))
        assert not wrong, f"not as in the table: {wrong}"

    def _next(self, shard_id: str) -> list[Change]:
        answer = self._streams.get_records(ShardIterator=self._iterators[shard_id])
        self._iterators[shard_id] = answer["NextShardIterator"]
        return list(answer["Records"])

    def _errors(self, run: str) -> list[tuple[str, bytes]]:
        """Error code and original data of a run's error lines."""
        return [
            (line["errorCode"], data)
            for lines in self._deployed.objects("errors/").values()
            for line in lines
            if run.encode() in (data := b64decode(line["rawData"]))
        ]

    def _items(self, keys: Collection[str]) -> dict[str, dict[str, Any]]:
        items: dict[str, dict[str, Any]] = {}
        for some in _hundreds(sorted(keys)):
            answer = self._dynamodb.batch_get_item(
                RequestItems={self._table: {"Keys": [{"id": {"S": key}} for key in some]}}
            )
            items |= {item["id"]["S"]: item for item in answer["Responses"][self._table]}
        return items


def sequence_number(change: Change) -> int:
    """A change's place in its shard."""
    return int(change["dynamodb"]["SequenceNumber"])


def _key(change: Change) -> str:
    return str(change["dynamodb"]["Keys"]["id"]["S"])


def _hundreds(keys: Sequence[str]) -> list[Sequence[str]]:
    return [keys[start : start + 100] for start in range(0, len(keys), 100)]
