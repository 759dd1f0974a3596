"""What the transform answers to Firehose: an answer a record, and the response made of them.

Contract: https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html.
"""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from chalicelib.limits import INVOCATION_BYTES_MAX
from chalicelib.logs import log

Result = Literal["Ok", "Dropped", "ProcessingFailed"]


class Metadata(Struct, gc=False):
    """What Firehose is told beside the data."""

    partitionKeys: dict[str, str]


class Answer(Struct, gc=False):
    """What becomes of one record. JSON carries the data in base64."""

    recordId: str
    result: Result
    data: bytes = b""
    metadata: Metadata | UnsetType = UNSET


def failed(record_id: str, reason: str) -> Answer:
    """The answer for a record that cannot be transformed; the reason is logged."""
    log("WARN", "record failed", recordId=record_id, reason=reason)
    return Answer(record_id, "ProcessingFailed")


Response = Callable[[list[Answer]], Any]
"""From the answers of a batch to what the function returns."""


def plain(answers: list[Answer]) -> dict[str, Any]:
    """The response as a dictionary, which any runtime encodes."""
    return {"records": msgspec.to_builtins(answers)}


def encoded(modules: Mapping[str, Any] = sys.modules) -> Response:
    """The response as its JSON already, where the runtime's encoder passes that through; or plain.

    The encoder of AWS's Python runtime, awslambdaric, is simplejson, which writes what a `RawJSON`
    holds as it is. No other runtime, and not every version of that one, need do so: it is tried.
    """
    try:
        to_json = modules["awslambdaric.lambda_runtime_marshaller"].to_json
        raw_json = import_module("simplejson.raw_json").RawJSON
        passes = to_json(raw_json("[]")) == "[]"
    except (LookupError, ImportError, AttributeError, TypeError):
        return plain
    encode = msgspec.json.Encoder().encode
    return (lambda answers: raw_json(encode({"records": answers}).decode())) if passes else plain


_ENTRY = len('{"recordId": "", "result": "ProcessingFailed", "data": ""}, ')
_METADATA = len(', "metadata": {"partitionKeys": {}}')
_KEY = len('"": "", ')
_REST_MAX = 1_500
"""More than an answer can take beside recordId and data: its keys make a prefix of 512 at most."""


def _size(answer: Answer) -> int:
    """Bytes of an answer in the response, as the runtime's encoder writes it: all is ASCII."""
    size = _ENTRY + len(answer.recordId) + (len(answer.data) + 2) // 3 * 4
    if isinstance(answer.metadata, Metadata):
        keys = answer.metadata.partitionKeys
        size += _METADATA + sum(_KEY + len(name) + len(value) for name, value in keys.items())
    return size


def within_limit(answers: list[Answer]) -> list[Answer]:
    """The answers, the last ones failed where all of them would not fit into a response.

    The stream's buffer is chosen so that this does not happen; without it, one response over the
    limit would fail every record of its batch, again at every retry.
    """
    texts = sum([len(answer.recordId) + len(answer.data) * 4 // 3 for answer in answers])
    if texts + len(answers) * _REST_MAX <= INVOCATION_BYTES_MAX:
        return answers
    excess = sum(map(_size, answers)) - INVOCATION_BYTES_MAX
    for index in range(len(answers) - 1, -1, -1):
        if excess <= 0:
            break
        answer = answers[index]
        if answer.result == "Ok":
            answers[index] = failed(answer.recordId, "no room left in the response")
            excess -= _size(answer) - _size(answers[index])
    return answers
