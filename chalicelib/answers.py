"""The transform's answers to Firehose, one a record, and the response that holds them.

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
    """The partition keys of an answer."""

    partitionKeys: dict[str, str]


class Answer(Struct, gc=False):
    """The answer to one record. JSON carries the data in base64."""

    recordId: str
    result: Result
    data: bytes = b""
    metadata: Metadata | UnsetType = UNSET


def failed(record_id: str, reason: str) -> Answer:
    """Log the reason, and return the answer for a record that cannot be transformed."""
    log("WARN", "record failed", recordId=record_id, reason=reason)
    return Answer(record_id, "ProcessingFailed")


Respond = Callable[[list[Answer]], Any]
"""From the answers to a batch to the function's return value."""


def as_dictionary(answers: list[Answer]) -> dict[str, Any]:
    """Return the response as a dictionary, which every runtime encodes."""
    return {"records": msgspec.to_builtins(answers)}


def fastest_response(modules: Mapping[str, Any] = sys.modules) -> Respond:
    """Return `as_dictionary`, or a function to ready JSON if the runtime's encoder passes it on.

    The encoder of AWS's Python runtime, awslambdaric, is simplejson, which writes the content of a
    `RawJSON` as it is. Other runtimes and versions need not, so this is tried.
    """
    try:
        to_json = modules["awslambdaric.lambda_runtime_marshaller"].to_json
        raw_json = import_module("simplejson.raw_json").RawJSON
        passes_on = to_json(raw_json("[]")) == "[]"
    except (LookupError, ImportError, AttributeError, TypeError):
        return as_dictionary
    if not passes_on:
        return as_dictionary
    encode = msgspec.json.Encoder().encode
    return lambda answers: raw_json(encode({"records": answers}).decode())


_ENTRY = len('{"recordId": "", "result": "ProcessingFailed", "data": ""}, ')
_METADATA = len(', "metadata": {"partitionKeys": {}}')
_KEY = len('"": "", ')
_REST_MAX = 1_500
"""More than an answer can take beside recordId and data: its keys make a prefix of 512 at most."""


def _size(answer: Answer) -> int:
    """Return the bytes of an answer in the response as the runtime's encoder writes it: ASCII."""
    size = _ENTRY + len(answer.recordId) + (len(answer.data) + 2) // 3 * 4
    if isinstance(answer.metadata, Metadata):
        keys = answer.metadata.partitionKeys
        size += _METADATA + sum(_KEY + len(name) + len(value) for name, value in keys.items())
    return size


def within_limit(answers: list[Answer]) -> list[Answer]:
    """Return the answers, with the last ones failed if all of them would not fit in a response.

    The stream's buffer is chosen so that this does not happen. Without it, one response over the
    limit would fail every record of its batch, and again at every retry.
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
