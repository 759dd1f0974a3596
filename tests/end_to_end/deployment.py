"""A deployed stack, with everything a test needs to write into it and to see what comes out."""

import gzip
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import urllib3
from mypy_boto3_firehose import FirehoseClient

from chalicelib.change import INPUT_TEMPLATE
from local.session import Session
from sluice.api import Api
from sluice.lake import keys
from sluice.stack import Stack

_IDENTITY = ', "userIdentity": <$.userIdentity>'
assert _IDENTITY in INPUT_TEMPLATE

TEMPLATES = {
    "absent": INPUT_TEMPLATE.replace(_IDENTITY, ""),
    **{
        name: INPUT_TEMPLATE.replace("<$.userIdentity>", value)
        for name, value in (
            ("null", "null"),
            ("empty-text", '""'),
            ("object", "{}"),
            ("array", "[]"),
        )
    },
    "no-template": "",
}
"""Templates by what they make of a missing `userIdentity`, whatever AWS makes of it."""


@dataclass
class Deployed:
    """A stack with everything a test needs to write into it and to look at what comes out."""

    stack: Stack
    api: Api
    firehose: FirehoseClient
    wait_seconds: float
    local: Session | None
    _objects: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def objects(self, prefix: str) -> dict[str, list[dict[str, Any]]]:
        """The decoded lines of every object below a prefix, by key."""
        for key, _ in keys(self.stack, prefix):
            if key not in self._objects:
                self._objects[key] = [json.loads(line) for line in self.raw(key).splitlines()]
        return {key: lines for key, lines in self._objects.items() if key.startswith(prefix)}

    def raw(self, key: str) -> bytes:
        """An object's content; every object of the lake is gzip."""
        body = self.stack.s3.get_object(Bucket=self.stack.bucket, Key=key)["Body"].read()
        return gzip.decompress(body)

    def changes(self, chosen: Callable[[dict[str, Any]], bool]) -> list[tuple[str, dict[str, Any]]]:
        """The chosen lines of the lake with the keys of their objects, in the order of change."""
        found = [
            (key, line)
            for key, lines in self.objects("data/").items()
            for line in lines
            if chosen(line)
        ]
        return sorted(found, key=lambda each: each[1]["changeSequence"])

    def wait_for(
        self, count: int, chosen: Callable[[dict[str, Any]], bool]
    ) -> list[tuple[str, dict[str, Any]]]:
        """The chosen lines, once there are `count` of them; fails after the delivery time."""
        deadline = time.monotonic() + self.wait_seconds
        while len(found := self.changes(chosen)) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} changes delivered"
            time.sleep(0.1)
        self.settle()
        return self.changes(chosen)

    def settle(self) -> None:
        """Let what Firehose still holds arrive, so that a duplicate is seen; here alone."""
        if self.local is None:
            return
        deadline = time.monotonic() + self.wait_seconds
        while True:
            status = urllib3.request("GET", f"{self.local.firehose_url}/status").json()
            if not any(stream["buffered"] for stream in status["streams"].values()):
                return
            assert time.monotonic() < deadline, "Firehose keeps records"
            time.sleep(0.1)
