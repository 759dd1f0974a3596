"""A versioned bucket with all that an erasure searches, whose every byte a test can see."""

import gzip
import json
from base64 import b64encode
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.declaration import Table
from chalicelib.keys import Texts, key_of, texts_of
from checks.erasure.contents import contents
from sluice.erasure.changes import Keys
from sluice.erasure.memory import ERASED_PREFIX, Memory
from sluice.erasure.run import Erased, Erasure
from sluice.erasure.search import Findings
from sluice.items import Item
from sluice.stack import Stack
from tests.declaring import change, delivered


def error_line(payload: bytes) -> bytes:
    raw = b64encode(payload).decode()
    document = {"attemptsMade": 4, "errorCode": "Lambda.FunctionError", "rawData": raw}
    return json.dumps(document).encode() + b"\n"


def feed_failure(payloads: Iterable[bytes], *, as_text: bool) -> bytes:
    """An object of Lambda's failure destination."""
    event = {"Records": [json.loads(payload) for payload in payloads]}
    document = {
        "requestContext": {"condition": "RetryAttemptsExhausted"},
        "DDBStreamBatchInfo": {"shardId": "shardId-1"},
        "payload": json.dumps(event) if as_text else event,
    }
    return json.dumps(document).encode()


@dataclass
class Bucket:
    """The bucket of a stack with a table."""

    stack: Stack
    table: Table
    numbers: int = 0
    folders: list[str] = field(default_factory=list)

    def put(self, key: str, body: bytes) -> str:
        self.stack.s3.put_object(Bucket=self.stack.bucket, Key=key, Body=body)
        return key

    def delete(self, key: str) -> None:
        self.stack.s3.delete_object(Bucket=self.stack.bucket, Key=key)

    def deliver(self, payloads: Sequence[bytes], lines: int = 4) -> list[str]:
        """Write changes in objects of some lines each; returns the objects."""
        by_folder: dict[str, list[bytes]] = {}
        for folder, line in delivered(self.table, payloads):
            by_folder.setdefault(folder, []).append(line)
        keys = []
        for folder, of_folder in by_folder.items():
            for start in range(0, len(of_folder), lines):
                self.numbers += 1
                body = gzip.compress(b"".join(of_folder[start : start + lines]))
                keys.append(self.put(f"{folder}object-{self.numbers:05}.gz", body))
        return keys

    def put_item(self, item: Item) -> None:
        self.stack.dynamodb.put_item(TableName=self.stack.output("TableName"), Item=item)

    def delete_item(self, item: Item) -> None:
        self.stack.dynamodb.delete_item(
            TableName=self.stack.output("TableName"), Key=key_of(self.table, item)
        )

    def erasure(
        self, items: Iterable[Item], part: dict[str, str] | None = None, **options: Any
    ) -> Erasure:
        """The erasure of the keys of items."""
        keys = Keys(self.table, [texts_of(self.table, item) for item in items])
        memory = Memory(self.stack)
        return Erasure(self.stack, keys, memory, Findings.new(), part or {}, **options)

    def erase(self, items: Iterable[Item], **options: Any) -> Erased:
        """Erase the keys of items as the command does."""
        erasure = self.erasure(items, **options)
        assert erasure.refusal() is None
        erasure.search(lambda _: None)
        assert erasure.delay(lambda: 90.0, lambda _: None) is None
        erased = erasure.erase(lambda _: None)
        assert not erasure.findings.problems, "\n".join(erasure.findings.problems)
        return erased

    def versions(self) -> list[tuple[str, str]]:
        """The names and ids of all versions, and of the markers of deletions."""
        answer = self.stack.s3.list_object_versions(Bucket=self.stack.bucket)
        return [
            (each["Key"], each["VersionId"])
            for kind in ("Versions", "DeleteMarkers")
            for each in answer.get(kind, [])  # type: ignore[attr-defined]
        ]

    def contents(self) -> dict[tuple[str, str], bytes]:
        """The bytes of every version, decompressed and with all base64 decoded beside it."""
        return {
            (key, version): body
            for key, version, body in contents(self.stack.s3, self.stack.bucket)
            if not key.startswith(ERASED_PREFIX)
        }

    def bytes(self) -> bytes:
        return b"\n".join(self.contents().values())


def quoted(table: Table, keys: Collection[Texts], body: bytes) -> set[Texts]:
    """The keys that bytes quote."""
    return {change.key for change in Keys(table, keys).quoted(body)}


def history(item: Item, sequence: int) -> list[bytes]:
    """The changes of an item that was made, changed and deleted."""
    return [
        change(item, sequence + number, name)
        for number, name in enumerate(("INSERT", "MODIFY", "REMOVE"))
    ]
