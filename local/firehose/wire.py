"""Firehose's wire protocol, JSON 1.1: operations by X-Amz-Target, and AWS's errors.

Limits: https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html. Signatures
are not checked; the guard keeps web pages out.
"""

import uuid
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from chalicelib.errors import SluiceError
from chalicelib.limits import PUT_BYTES_MAX, PUT_RECORD_BYTES_MAX, PUT_RECORDS_MAX
from local.firehose.ledger import JournalError
from local.firehose.stream import LocalStream
from local.guard import Guard
from local.routes import WholePath

BODY_BYTES_MAX = 16 * 1024 * 1024
"""Well above the largest valid request, so that a batch a bit too large gets AWS's own answer."""

_TARGET = "Firehose_20150804."


class WireError(SluiceError):
    """A refused request: AWS's error code, and a message without payload."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class WireRecord(Struct, rename="pascal"):
    """A record on the wire; its data comes in base64."""

    data: bytes


class PutRecord(Struct, rename="pascal"):
    """PutRecord's request."""

    delivery_stream_name: str
    record: WireRecord


class PutRecordBatch(Struct, rename="pascal"):
    """PutRecordBatch's request."""

    delivery_stream_name: str
    records: list[WireRecord]


class DescribeDeliveryStream(Struct, rename="pascal"):
    """DescribeDeliveryStream's request; a stream here has one destination, so no paging."""

    delivery_stream_name: str


class ListDeliveryStreams(Struct, rename="pascal"):
    """ListDeliveryStreams' request."""

    limit: Annotated[int, Meta(ge=1, le=10_000)] = 10
    delivery_stream_type: str | None = None
    exclusive_start_delivery_stream_name: str | None = None


RequestT = TypeVar("RequestT", bound=Struct)


class Firehose:
    """The operations, over the streams of this server."""

    def __init__(self, streams: Mapping[str, LocalStream]) -> None:
        self._streams = streams
        self._operations: dict[str, Callable[[bytes], dict[str, Any]]] = {
            "PutRecord": self._put_record,
            "PutRecordBatch": self._put_record_batch,
            "DescribeDeliveryStream": self._describe_delivery_stream,
            "ListDeliveryStreams": self._list_delivery_streams,
        }

    def answer(self, target: str, body: bytes) -> dict[str, Any]:
        """The response to a request. Raises WireError."""
        operation = self._operations.get(target.removeprefix(_TARGET))
        if operation is None or not target.startswith(_TARGET):
            raise WireError(
                "UnknownOperationException",
                f"{target or 'A request without X-Amz-Target'} is not an operation of this server; "
                f"it has {', '.join(self._operations)}.",
            )
        return operation(body)

    def status(self) -> dict[str, Any]:
        """Every stream's status, by name."""
        return {"streams": {name: stream.status() for name, stream in self._streams.items()}}

    def _put_record(self, body: bytes) -> dict[str, Any]:
        request = _decode(body, PutRecord)
        stream = self._stream(request.delivery_stream_name)
        _check_record(request.record, "record")
        (record_id,) = stream.put([request.record.data])
        return {"RecordId": record_id, "Encrypted": stream.config.encrypted}

    def _put_record_batch(self, body: bytes) -> dict[str, Any]:
        request = _decode(body, PutRecordBatch)
        stream = self._stream(request.delivery_stream_name)
        records = request.records
        if not 1 <= len(records) <= PUT_RECORDS_MAX:
            raise _constraint(
                "records",
                f"{'greater' if not records else 'less'} than or equal to "
                f"{PUT_RECORDS_MAX if records else 1}",
            )
        for position, record in enumerate(records, 1):
            _check_record(record, f"records.{position}.member")
        if sum(len(record.data) for record in records) > PUT_BYTES_MAX:
            raise WireError("InvalidArgumentException", "Records size exceeds 4 MB limit")
        ids = stream.put([record.data for record in records])
        return {
            "FailedPutCount": 0,
            "Encrypted": stream.config.encrypted,
            "RequestResponses": [{"RecordId": record_id} for record_id in ids],
        }

    def _describe_delivery_stream(self, body: bytes) -> dict[str, Any]:
        stream = self._stream(_decode(body, DescribeDeliveryStream).delivery_stream_name)
        local = {
            "IntervalInSeconds": stream.intervals.buffer_seconds,
            "ProcessorBufferIntervalInSeconds": stream.intervals.processor_seconds,
        }
        return {"DeliveryStreamDescription": {**stream.config.description, "LocalBuffering": local}}

    def _list_delivery_streams(self, body: bytes) -> dict[str, Any]:
        request = _decode(body, ListDeliveryStreams)
        start = request.exclusive_start_delivery_stream_name or ""
        kind = request.delivery_stream_type
        names = [
            name
            for name, stream in sorted(self._streams.items())
            if name > start and kind in (None, stream.config.description["DeliveryStreamType"])
        ]
        return {
            "DeliveryStreamNames": names[: request.limit],
            "HasMoreDeliveryStreams": len(names) > request.limit,
        }

    def _stream(self, name: str) -> LocalStream:
        stream = self._streams.get(name)
        if stream is None:
            raise WireError("ResourceNotFoundException", f"Firehose {name} not found.")
        return stream


def _decode(body: bytes, request: type[RequestT]) -> RequestT:
    try:
        return msgspec.json.decode(body, type=request)
    except msgspec.ValidationError as error:
        raise WireError("ValidationException", f"1 validation error detected: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError("SerializationException", "The request body is not JSON.") from error


def _check_record(record: WireRecord, member: str) -> None:
    if len(record.data) > PUT_RECORD_BYTES_MAX:
        raise _constraint(f"{member}.data", f"less than or equal to {PUT_RECORD_BYTES_MAX}")


def _constraint(member: str, rule: str) -> WireError:
    return WireError(
        "ValidationException",
        f"1 validation error detected: Value at '{member}' failed to satisfy constraint: "
        f"Member must have length {rule}",
    )


def application(firehose: Firehose) -> Starlette:
    """The server's ASGI application: the wire protocol at /, and its status at /status."""

    async def operation(request: Request) -> Response:
        try:
            body = await _body(request)
            answer = firehose.answer(request.headers.get("X-Amz-Target", ""), body)
        except WireError as error:
            return _response({"__type": error.code, "message": error.message}, error.status)
        except JournalError as error:
            return _response({"__type": "InternalFailure", "message": str(error)}, 500)
        return _response(answer)

    async def status(_: Request) -> Response:
        return Response(msgspec.json.encode(firehose.status()), media_type="application/json")

    return Starlette(
        routes=[
            WholePath("/", operation, methods=["POST"]),
            WholePath("/status", status, methods=["GET"]),
        ],
        middleware=[Middleware(Guard)],
    )


async def _body(request: Request) -> bytes:
    length = request.headers.get("Content-Length", "0")
    too_large = WireError(
        "RequestEntityTooLargeException",
        f"A request may have at most {BODY_BYTES_MAX} bytes.",
        413,
    )
    # Python reads no number of thousands of digits; twenty are too large already.
    if length.isdecimal() and int(length[:20]) > BODY_BYTES_MAX:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise too_large
    return bytes(body)


def _response(content: dict[str, Any], status: int = 200) -> Response:
    return Response(
        msgspec.json.encode(content),
        status,
        {"x-amzn-RequestId": str(uuid.uuid4())},
        "application/x-amz-json-1.1",
    )
