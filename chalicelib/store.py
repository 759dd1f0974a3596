"""The records' DynamoDB table. Importing this module imports boto3: only the API's path does.

It raises Unavailable when DynamoDB refuses requests for now, or has no such table.
"""

import os
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore import exceptions
from botocore.config import Config

from chalicelib.attributes import item
from chalicelib.declaration import Table
from chalicelib.errors import FieldError, Throttled, TooLarge, Unavailable
from chalicelib.keys import key_from, texts_of
from chalicelib.limits import BATCH_WRITES_MAX
from chalicelib.retry import NO_ANSWER, backoff, is_throttled

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import ScanInputTypeDef

Record = Mapping[str, Any]
"""A record: its values by the names of their attributes."""

Item = dict[str, Any]
"""A DynamoDB item, or its key, as boto3's low-level client has it."""

CLIENT_CONFIG = Config(
    connect_timeout=2, read_timeout=4, retries={"mode": "standard", "total_max_attempts": 2}
)
"""The slowest call ends within 13 seconds."""

BATCH_SECONDS = 15.0
"""How long a batch is retried: with a slow last call it ends within the function's 29 seconds."""

PAUSE_SECONDS = 0.1
PAUSE_SECONDS_MAX = 2.0


class RecordStore:
    """Records in one DynamoDB table."""

    def __init__(
        self,
        client: "DynamoDBClient",
        name: str,
        table: Table,
        batch_seconds: float = BATCH_SECONDS,
    ) -> None:
        self._client = client
        self._name = name
        self._table = table
        self._batch_seconds = batch_seconds

    def put(self, record: Record) -> bool:
        """Write a record, and return whether it is new and replaces no other."""
        with self._problems():
            answer = self._client.put_item(
                TableName=self._name, Item=self._item(record), ReturnValues="ALL_OLD"
            )
        return "Attributes" not in answer

    def put_all(self, records: Sequence[Record]) -> None:
        """Write records of different keys.

        Raises Unavailable when time runs out or DynamoDB fails; its errors point at the records
        that are not known to be written.
        """
        items = [self._item(record) for record in records]
        places = {texts_of(self._table, each): index for index, each in enumerate(items)}
        waiting = [{"PutRequest": {"Item": each}} for each in items]
        deadline = time.monotonic() + self._batch_seconds
        failures = 0
        try:
            while waiting:
                left = self._write(waiting[:BATCH_WRITES_MAX])
                waiting = left + waiting[BATCH_WRITES_MAX:]
                failures = failures + 1 if left else 0
                pause = _pause(failures)
                if waiting and time.monotonic() + pause > deadline:
                    raise Unavailable(
                        f"The table {self._name} did not take the batch in time.", retry_after=1
                    )
                time.sleep(pause)
        except Unavailable as problem:
            unwritten = sorted(
                places[texts_of(self._table, write["PutRequest"]["Item"])] for write in waiting
            )
            raise Unavailable(
                f"{problem.detail} {len(unwritten)} of the {len(records)} records are not known "
                "to be written: resend those that errors points at.",
                problem.retry_after,
                [FieldError(f"#/{index}", "is not known to be written.") for index in unwritten],
            ) from problem

    def get(self, key: Item) -> Item | None:
        """Return the item of a key, as the last write left it."""
        with self._problems():
            answer = self._client.get_item(TableName=self._name, Key=key, ConsistentRead=True)
        return answer.get("Item")

    def delete(self, key: Item) -> bool:
        """Delete the item of a key, and return whether there was one."""
        with self._problems():
            answer = self._client.delete_item(TableName=self._name, Key=key, ReturnValues="ALL_OLD")
        return "Attributes" in answer

    def page(self, limit: int, after: Item | None = None) -> tuple[list[Item], Item | None]:
        """Return up to `limit` items in the table's order, and the key to go on after, if any."""
        scan: ScanInputTypeDef = {"TableName": self._name, "Limit": limit}
        if after is not None:
            scan["ExclusiveStartKey"] = after
        with self._problems():
            answer = self._client.scan(**scan)
        return answer["Items"], answer.get("LastEvaluatedKey")

    def _item(self, record: Record) -> Item:
        """Return the item of a record, with the numbers of its key as DynamoDB has them."""
        attributes = item(record)
        return attributes | key_from(self._table, texts_of(self._table, attributes))

    def _write(self, writes: list[Any]) -> list[Any]:
        """Send some writes, and return those that DynamoDB did not process."""
        try:
            with self._problems():
                answer = self._client.batch_write_item(RequestItems={self._name: writes})
        except Throttled:
            return writes
        return list(answer.get("UnprocessedItems", {}).get(self._name, []))

    @contextmanager
    def _problems(self) -> Iterator[None]:
        """Raise DynamoDB's errors as problems; a mistake of ours passes through."""
        try:
            yield
        except exceptions.ClientError as error:
            raise self._refusal(error) or error from None
        except exceptions.ParamValidationError:
            raise
        except NO_ANSWER as error:
            raise Unavailable(
                f"DynamoDB does not answer at {self._client.meta.endpoint_url} "
                f"({type(error).__name__}).",
                retry_after=5,
            ) from None
        except exceptions.NoCredentialsError:
            raise Unavailable(
                "There are no AWS credentials for DynamoDB: set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or a profile."
            ) from None
        except exceptions.BotoCoreError as error:
            raise Unavailable(f"DynamoDB cannot be called: {error}.") from None

    def _refusal(self, error: exceptions.ClientError) -> Unavailable | TooLarge | None:
        code = error.response.get("Error", {}).get("Code", "")
        message = error.response.get("Error", {}).get("Message", "")
        if is_throttled(error):
            return Throttled(f"DynamoDB is throttling the table {self._name}.", retry_after=1)
        if code == "ResourceNotFoundException":
            return Unavailable(
                f"There is no table {self._name} in {self._client.meta.region_name}: deploy the "
                "stack, or set TABLE_NAME to its table."
            )
        if code == "ValidationException":
            too_large = "Item size" in message
            return (
                TooLarge("The record is larger than 400 KB, DynamoDB's limit.")
                if too_large
                else None
            )
        if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            return Unavailable(f"DynamoDB failed for the moment ({code}).", retry_after=1)
        return Unavailable(f"DynamoDB refuses requests to the table {self._name} ({code}).")


@cache
def connect(table: Table) -> RecordStore:
    """Return the records of the table in TABLE_NAME.

    Raises Unavailable when it, or the region, is not set.
    """
    name = os.environ.get("TABLE_NAME")
    if not name:
        raise Unavailable(
            "The environment variable TABLE_NAME is not set: it names the records' table."
        )
    try:
        return RecordStore(boto3.Session().client("dynamodb", config=CLIENT_CONFIG), name, table)
    except (exceptions.BotoCoreError, ValueError) as error:
        raise Unavailable(f"DynamoDB has no client: {error}") from None


def _pause(failures: int) -> float:
    """Seconds to wait before the next try: exponential, with full jitter; none after a success."""
    if not failures:
        return 0
    return random.uniform(0, backoff(failures, PAUSE_SECONDS, PAUSE_SECONDS_MAX))  # noqa: S311
