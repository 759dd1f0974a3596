"""The Firehose transform: a batch of the pipe's records in, the answers with lines and keys out.

Contract: https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html. A bad record is
answered ProcessingFailed and never harms its neighbours; Firehose keeps its original bytes.
"""

from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import Any

from msgspec import Struct

from chalicelib.catalog import json_text_keys
from chalicelib.change import CHANGE_TYPES, SNAPSHOT, ChangeError, change_reader, line_encoder
from chalicelib.environment import variable
from chalicelib.logs import log
from chalicelib.metrics import measured
from chalicelib.partitions import PartitionError, partitioner
from chalicelib.schema import LAYOUT, Record

RESPONSE_BYTES_MAX = 6_000_000
"""Lambda answers at most 6 MB (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""

Answer = dict[str, Any]
Event = Mapping[str, Any]


def transformer(
    layout: Sequence[str] = LAYOUT,
    change_types: Collection[str] = CHANGE_TYPES,
    keep_undeclared: bool = True,
    lake_format: str = "json",
    record_type: type[Struct] = Record,
) -> Callable[[Event], dict[str, list[Answer]]]:
    """A function that answers a Firehose event: every recordId once, in order.

    A change whose type is not among `change_types` is Dropped: the pipe filters those out, but a
    replay does not pass the pipe. A SNAPSHOT is never dropped.
    """
    read = change_reader(record_type, keep_undeclared)
    encode = line_encoder(json_text_keys(record_type) if lake_format == "parquet" else ())
    kept = {*change_types, SNAPSHOT}
    partition_keys = partitioner(layout)

    def answer(record_id: str, data: str) -> Answer:
        try:
            payload = a2b_base64(data, strict_mode=True)
        except ValueError:
            return failed(record_id, "data is not base64")
        try:
            line = read(payload)
            if line.changeType not in kept:
                return {"recordId": record_id, "result": "Dropped", "data": ""}
            keys = partition_keys(line)
        except (ChangeError, PartitionError) as broken:
            return failed(record_id, str(broken))
        return {
            "recordId": record_id,
            "result": "Ok",
            "data": b64encode(encode(line)).decode("ascii"),
            "metadata": {"partitionKeys": keys},
        }

    def transform(event: Event) -> dict[str, list[Answer]]:
        records = event["records"]
        if len({record["recordId"] for record in records}) == len(records):
            answers = [answer(record["recordId"], record["data"]) for record in records]
        else:
            answers = answers_of_repeated(records)
        return {"records": within_limit(answers)}

    def answers_of_repeated(records: Sequence[Event]) -> list[Answer]:
        """One answer a recordId; ProcessingFailed where its data differ, so that none is lost."""
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
def deployed_transformer() -> Callable[[Event], dict[str, list[Answer]]]:
    """The transformer as the stack configured it, through its environment, and measured."""
    configured = transformer(
        layout=variable("LAYOUT").split("/"),
        change_types=variable("CHANGE_TYPES").split(","),
        keep_undeclared=variable("UNDECLARED") == "keep",
        lake_format=variable("FORMAT"),
    )
    return measured(configured, variable("AWS_LAMBDA_FUNCTION_NAME"))


def failed(record_id: str, reason: str) -> Answer:
    """The answer for a record that cannot be transformed; the reason is logged."""
    log("WARN", "record failed", recordId=record_id, reason=reason)
    return {"recordId": record_id, "result": "ProcessingFailed", "data": ""}


_ENTRY = len('{"recordId": "", "result": "ProcessingFailed", "data": ""}, ')
_METADATA = len(', "metadata": {"partitionKeys": {}}')
_KEY = len('"": "", ')
_REST_MAX = 1_500
"""More than an answer can take beside recordId and data: its keys make a prefix of 512 at most."""


def _size(answer: Answer) -> int:
    """Bytes of an answer in the response, as the runtime's encoder writes it: all is ASCII."""
    size = _ENTRY + len(answer["recordId"]) + len(answer["data"])
    if (metadata := answer.get("metadata")) is not None:
        keys = metadata["partitionKeys"]
        size += _METADATA + sum(_KEY + len(name) + len(value) for name, value in keys.items())
    return size


def within_limit(answers: list[Answer]) -> list[Answer]:
    """The answers, the last ones failed where all of them would not fit into a response.

    The stream's buffer is chosen so that this does not happen; without it, one response over the
    limit would fail every record of its batch, again at every retry.
    """
    texts = sum([len(answer["recordId"]) + len(answer["data"]) for answer in answers])
    if texts + len(answers) * _REST_MAX <= RESPONSE_BYTES_MAX:
        return answers
    excess = sum(map(_size, answers)) - RESPONSE_BYTES_MAX
    for index in range(len(answers) - 1, -1, -1):
        if excess <= 0:
            break
        answer = answers[index]
        if answer["result"] == "Ok":
            answers[index] = failed(answer["recordId"], "no room left in the response")
            excess -= _size(answer) - _size(answers[index])
    return answers
