"""The table itself as a backfill's source: a parallel scan within a budget of read capacity.

Reads are eventually consistent, at half the price. A write that such a read misses was made a
moment before it, and the stream carries that write:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.ReadConsistency.html
"""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import ClientError

from chalicelib.attributes import from_text
from chalicelib.retry import REQUEST_ERRORS, error_code, is_passing, is_throttled, retrying
from sluice.backfill.capacity import ReadCapacity
from sluice.backfill.source import Page, SourceItem
from sluice.backfill.stop import Stop
from sluice.errors import OperationError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import (
        ScanInputTypeDef,
        ScanOutputTypeDef,
        TableDescriptionTypeDef,
    )

ATTEMPTS = 12
BACKOFF_SECONDS = 0.1
BACKOFF_SECONDS_MAX = 10.0

_encode = msgspec.json.Encoder().encode


class TableScan:
    """A table, read in segments."""

    def __init__(
        self,
        client: "DynamoDBClient",
        table: "TableDescriptionTypeDef",
        key_names: Sequence[str],
        segments: int,
        capacity: ReadCapacity,
        stop: Stop,
    ) -> None:
        self._client = client
        self._name = table["TableName"]
        self._keys = key_names
        self._segments = segments
        self._capacity = capacity
        self._stop = stop
        self.identity = f"{table['TableArn']} ({table['TableId']})"
        self.item_count = table["ItemCount"]

    def parts(self) -> list[str]:
        """Return the segments, as `index/total`."""
        return [f"{index}/{self._segments}" for index in range(self._segments)]

    def accepts(self, places: Mapping[str, str | None]) -> bool:
        """Whether these are all segments of a scan, and keys of the table to go on after."""
        segments = {f"{index}/{len(places)}" for index in range(len(places))}
        keys = [after for after in places.values() if after is not None]
        return places.keys() == segments and all(map(self._is_key, keys))

    def pages(self, part: str, after: str | None) -> Iterator[Page]:
        """Yield the pages of a segment.

        Raises OperationError, StoppedError, and what botocore raises.
        """
        try:
            segment, total = map(int, part.split("/"))
            last: Any = from_text(after) if after is not None else None
        except (ValueError, msgspec.MsgspecError):
            raise OperationError(
                f"the checkpoint has a position that no scan wrote, in part {part!r}; "
                "begin anew with --restart"
            ) from None
        request: ScanInputTypeDef = {
            "TableName": self._name,
            "Segment": segment,
            "TotalSegments": total,
            "ReturnConsumedCapacity": "TOTAL",
        }
        while True:
            if last:
                request["ExclusiveStartKey"] = last
            moment, answer = self._read(request)
            last = answer.get("LastEvaluatedKey")
            items = [
                SourceItem(_encode({name: item[name] for name in self._keys}), _encode(item))
                for item in answer["Items"]
            ]
            yield Page(moment, items, _encode(last).decode() if last else None)
            if not last:
                return

    def _is_key(self, text: str) -> bool:
        try:
            return from_text(text).keys() == set(self._keys)
        except (AttributeError, TypeError, ValueError):
            return False

    def _read(self, request: "ScanInputTypeDef") -> tuple[int, "ScanOutputTypeDef"]:
        """Return the start of the reading in epoch milliseconds, and one page."""
        for _ in retrying(
            ATTEMPTS,
            BACKOFF_SECONDS,
            BACKOFF_SECONDS_MAX,
            lambda longest: self._stop.pause(random.uniform(0, longest)),  # noqa: S311
        ):
            while (delay := self._capacity.delay()) > 0:
                self._stop.pause(delay)
            request["Limit"] = self._capacity.page_items
            moment = time.time_ns() // 1_000_000
            try:
                answer = self._client.scan(**request)
            except REQUEST_ERRORS as error:
                if not is_passing(error):
                    raise
                reason = type(error).__name__
                if isinstance(error, ClientError):
                    reason = error_code(error)
                    if is_throttled(error):
                        self._capacity.throttled()
            else:
                units = answer["ConsumedCapacity"].get("CapacityUnits", 0)
                self._capacity.spent(units, answer["ScannedCount"])
                return moment, answer
        raise OperationError(
            f"the table {self._name} could not be read {ATTEMPTS} times in a row: {reason}; "
            "run again to go on, with a lower --read-capacity if the table is throttled"
        )
