"""The Firehose transform: from a batch of the pipe's records to answers with lines and keys.

A bad record is answered ProcessingFailed and never harms its neighbours; Firehose keeps its
original bytes.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import Any, TypedDict

from msgspec import Struct, ValidationError, convert

from chalicelib.answers import (
    Answer,
    Metadata,
    Respond,
    as_dictionary,
    failed,
    fastest_response,
    within_limit,
)
from chalicelib.change import CHANGE_TYPES, SNAPSHOT, line_encoder
from chalicelib.environment import variable
from chalicelib.errors import RecordError
from chalicelib.finished import replayable_reader
from chalicelib.metrics import counting
from chalicelib.partitions import partitioner
from chalicelib.schema import LAYOUT, Record

Event = Mapping[str, Any]


class ReaderSettings(TypedDict):
    """The stack's settings of how payloads are read."""

    layout: Sequence[str]
    change_types: Collection[str]
    keep_undeclared: bool


def settings(variable: Callable[[str], str]) -> ReaderSettings:
    """Return the settings that the function's environment variables hold."""
    return ReaderSettings(
        layout=variable("LAYOUT").split("/"),
        change_types=variable("CHANGE_TYPES").split(","),
        keep_undeclared=variable("UNDECLARED") == "keep",
    )


def payload_reader(
    layout: Sequence[str] = LAYOUT,
    change_types: Collection[str] = CHANGE_TYPES,
    keep_undeclared: bool = True,
    record_type: type[Struct] = Record,
) -> Callable[[bytes], tuple[Any, dict[str, str]] | None]:
    """Return a function from a payload to its line and partition keys, or None for one to drop.

    A payload is a change of the pipe, or a finished line, whose keys are computed anew. A change
    whose type is not among `change_types` is dropped: the pipe filters those out, but a replay does
    not pass the pipe. A SNAPSHOT is never dropped. The function raises RecordError.
    """
    read_change = replayable_reader(record_type, keep_undeclared)
    kept = {*change_types, SNAPSHOT}
    partition_keys = partitioner(layout)

    def read(payload: bytes) -> tuple[Any, dict[str, str]] | None:
        line = read_change(payload)
        if line.changeType not in kept:
            return None
        return line, partition_keys(line)

    return read


def transformer(
    layout: Sequence[str] = LAYOUT,
    change_types: Collection[str] = CHANGE_TYPES,
    keep_undeclared: bool = True,
    record_type: type[Struct] = Record,
    respond: Respond = as_dictionary,
) -> Callable[[Event], Any]:
    """Return a function that answers a Firehose event: every recordId once, in order."""
    read = payload_reader(layout, change_types, keep_undeclared, record_type)
    encode = line_encoder(record_type)

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


@cache
def deployed_transformer() -> Callable[[Event], Any]:
    """Return the transformer that the stack configured through the environment, with metrics."""
    return transformer(
        **settings(variable),
        respond=counting(fastest_response(), variable("AWS_LAMBDA_FUNCTION_NAME")),
    )
