"""The Firehose transform: from a batch of the pipe's records to answers with lines and keys.

A bad record is answered ProcessingFailed and never harms its neighbours; Firehose keeps its
original bytes.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import Any, TypedDict

from msgspec import ValidationError, convert

from chalicelib.answers import (
    Answer,
    Metadata,
    Respond,
    as_dictionary,
    failed,
    fastest_response,
    within_limit,
)
from chalicelib.change import CHANGE_TYPES, SNAPSHOT
from chalicelib.declaration import Table
from chalicelib.declared import deployed
from chalicelib.environment import variable
from chalicelib.errors import RecordError
from chalicelib.finished import replayable_reader
from chalicelib.images import Hasher
from chalicelib.lines import line_encoder
from chalicelib.metrics import OddTime, counting, counting_odd_times, log_odd_time
from chalicelib.partitions import partitioner
from chalicelib.times import Notice, ignore

Event = Mapping[str, Any]


class ReaderSettings(TypedDict):
    """What decides how payloads are read."""

    table: Table
    change_types: Collection[str]


def settings(table: Table, variable: Callable[[str], str]) -> ReaderSettings:
    """Return the table, and the stack's settings that the function's environment holds."""
    return ReaderSettings(
        table=table.with_layout(tuple(variable("LAYOUT").split("/"))),
        change_types=variable("CHANGE_TYPES").split(","),
    )


def payload_reader(
    table: Table,
    change_types: Collection[str] = CHANGE_TYPES,
    hasher: Hasher | None = None,
    notice: Notice = ignore,
) -> Callable[[bytes], tuple[Any, dict[str, str]] | None]:
    """Return a function from a payload to its line and partition keys, or None for one to drop.

    A payload is a change of the pipe, or a finished line, whose keys are computed anew. A change
    whose type is not among `change_types` is dropped: the pipe filters those out, but a replay does
    not pass the pipe. A SNAPSHOT is never dropped. `notice` hears of fields whose times look like
    another unit's. The function raises RecordError.
    """
    read_change = replayable_reader(table, hasher, notice)
    kept = {*change_types, SNAPSHOT}
    partition_keys = partitioner(table, notice)

    def read(payload: bytes) -> tuple[Any, dict[str, str]] | None:
        line = read_change(payload)
        if line is None or line.changeType not in kept:
            return None
        return line, partition_keys(line)

    return read


def transformer(
    table: Table,
    change_types: Collection[str] = CHANGE_TYPES,
    respond: Respond = as_dictionary,
    hasher: Hasher | None = None,
    odd_time: OddTime = log_odd_time,
) -> Callable[[Event], Any]:
    """Return a function that answers a Firehose event: every recordId once, in order."""
    odd_fields: list[str] = []
    read = payload_reader(table, change_types, hasher, odd_fields.append)
    encode = line_encoder(table)

    def answer(record_id: str, data: str) -> Answer:
        try:
            # msgspec's base64 is strict, and several times as fast as the standard library's.
            payload = convert(data, bytes)
        except ValidationError:
            return failed(record_id, "data is not base64")
        try:
            content = read(payload)
        except RecordError as broken:
            return failed(record_id, str(broken))
        finally:
            if odd_fields:
                odd_time(record_id, odd_fields[0])
                odd_fields.clear()
        if content is None:
            return Answer(record_id, "Dropped")
        line, keys = content
        return Answer(record_id, "Ok", encode(line), Metadata(keys))

    def transform(event: Event) -> Any:
        records = event["records"]
        if len({record["recordId"] for record in records}) == len(records):
            answers = [answer(record["recordId"], record["data"]) for record in records]
        else:
            answers = answers_of_repeated(records)
        return respond(within_limit(answers))

    def answers_of_repeated(records: Sequence[Event]) -> list[Answer]:
        """Return one answer a recordId: ProcessingFailed if its data differ, so none is lost."""
        data: dict[str, set[str]] = {}
        for record in records:
            data.setdefault(record["recordId"], set()).add(record["data"])
        return [
            answer(record_id, *versions)
            if len(versions) == 1
            else failed(record_id, "recordId came twice with different data")
            for record_id, versions in data.items()
        ]

    return transform


def _deployed_hasher() -> Hasher:
    from chalicelib.secret import deployed_hasher

    return deployed_hasher()


@cache
def deployed_transformer() -> Callable[[Event], Any]:
    """Return the transformer of the declared table, as the stack configured it, with metrics."""
    function_name = variable("AWS_LAMBDA_FUNCTION_NAME")
    table = deployed()
    return transformer(
        **settings(table, variable),
        hasher=_deployed_hasher() if table.hashes else None,
        respond=counting(fastest_response(), function_name),
        odd_time=counting_odd_times(function_name),
    )
