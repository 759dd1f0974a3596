"""The transform's contract, as seen from the two ends: boto3's puts, and the objects in S3."""

import base64
import json
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from pytest_httpserver import HTTPServer

from chalicelib.limits import INVOCATION_BYTES_MAX
from local.firehose import config
from local.firehose.ledger import BufferedRecord
from local.firehose.processor import (
    Batch,
    Event,
    EventRecord,
    Processor,
    TransformedBatch,
    judge,
)
from local.firehose.server import Emulator
from tests.local.firehose.stand import START_MS, Deployed, SetClock, asks, client, ok, poll

NEIGHBOUR = asks(ok("neighbour\n", site="n"))
DELIVERED_NEIGHBOUR = {"data/site=n/": "neighbour\n"}


def test_ok_records_reach_their_partitions_in_order(deploy: Any, run: Any) -> None:
    running = run(deploy())
    running.put(asks(ok("a1\n", site="a")), asks(ok("b1\n", site="b")), asks(ok("a2\n", site="a")))
    running.settle()
    assert running.stream.data() == {"data/site=a/": "a1\na2\n", "data/site=b/": "b1\n"}
    assert running.stream.errors() == []


def test_the_event_has_exactly_the_documented_fields(deploy: Any, run: Any, function: Any) -> None:
    running = run(deploy(), processor_seconds=1)
    record = asks(ok("a\n", site="a"))
    (first,) = running.put(record)
    running.clock.advance(0.25)
    (second,) = running.put(NEIGHBOUR)
    running.settle()
    (event,) = function.events(running.stream)
    assert uuid.UUID(event.pop("invocationId"))
    assert event == {
        "deliveryStreamArn": running.stream.arn,
        "region": "us-east-1",
        "records": [
            {
                "recordId": first,
                "approximateArrivalTimestamp": START_MS,
                "data": base64.b64encode(record).decode(),
            },
            {
                "recordId": second,
                "approximateArrivalTimestamp": START_MS + 250,
                "data": base64.b64encode(NEIGHBOUR).decode(),
            },
        ],
    }


def test_an_error_document_has_exactly_the_observed_fields(
    deploy: Any, run: Any, function: Any
) -> None:
    running = run(deploy())
    record = asks({"result": "ProcessingFailed", "data": "eA=="})
    running.put(record)
    running.settle()
    (document,) = running.stream.errors()
    assert document.pop("attemptEndingTimestamp") >= START_MS
    assert document.pop("errorMessage")
    assert document == {
        "attemptsMade": 1,
        "arrivalTimestamp": START_MS,
        "errorCode": "Lambda.ProcessingFailedStatus",
        "rawData": base64.b64encode(record).decode(),
        "lambdaARN": f"{function.arn}:$LATEST",
    }


def test_error_documents_are_one_a_line_under_the_evaluated_error_prefix(
    deploy: Any, run: Any
) -> None:
    running = run(deploy())
    running.put(*[asks({"result": "ProcessingFailed"})] * 3)
    running.settle()
    (key,) = running.stream.object_keys()
    assert key.startswith(f"errors/processing-failed/2023/11/15/{running.stream.name}-1-")
    text = running.stream.read(key).decode()
    assert text.endswith("\n")
    assert len([json.loads(line) for line in text.splitlines()]) == 3


def test_a_dropped_record_leaves_nothing(deploy: Any, run: Any) -> None:
    running = run(deploy())
    running.put(asks({"result": "Dropped"}), asks({"result": "Dropped", "data": "eA=="}))
    running.settle()
    assert running.stream.object_keys() == []
    assert running.status()["dropped"] == 2


@pytest.mark.parametrize(
    ("record", "code"),
    [
        pytest.param(asks(), "Lambda.MissingRecordId", id="missing"),
        pytest.param(
            asks({"result": "ProcessingFailed"}), "Lambda.ProcessingFailedStatus", id="failed"
        ),
        pytest.param(
            asks(ok("1", site="a"), ok("2", site="a")), "Lambda.DuplicatedRecordId", id="twice"
        ),
        pytest.param(
            asks({**ok("", site="a"), "data": None}), "Lambda.InvalidReturnFormat", id="null data"
        ),
        pytest.param(asks({"result": "Ok"}), "Lambda.InvalidReturnFormat", id="no data"),
        pytest.param(
            asks({**ok("x", site="a"), "recordId": "1"}), "Lambda.MissingRecordId", id="id"
        ),
    ],
)
def test_a_broken_result_fails_its_record_alone_and_is_not_retried(
    deploy: Any, run: Any, function: Any, record: Any, code: Any
) -> None:
    running = run(deploy(), processor_seconds=1)
    running.put(record, NEIGHBOUR)
    running.settle()
    (document,) = running.stream.errors()
    assert document["errorCode"] == code
    assert document["attemptsMade"] == 1
    assert base64.b64decode(document["rawData"]) == record
    assert running.stream.data() == DELIVERED_NEIGHBOUR
    assert len(function.events(running.stream)) == 1


@pytest.mark.parametrize(
    ("record", "code", "attempts"),
    [
        pytest.param(
            asks({"result": "Ok", "data": "no base64!"}), "Lambda.FunctionError", 1, id="base64"
        ),
        pytest.param(
            asks({"result": "Fine", "data": "eA=="}), "Lambda.FunctionError", 1, id="result"
        ),
        pytest.param(
            asks(function="return text"), "Lambda.JsonProcessingException", 1, id="not an object"
        ),
        pytest.param(
            asks(function="return no records"), "Lambda.MissingRecordId", 1, id="no records"
        ),
        pytest.param(asks(function="return 7 MB"), "Lambda.FunctionError", 2, id="over 6 MB"),
        pytest.param(asks(function="raise"), "Lambda.FunctionError", 2, id="exception"),
        pytest.param(asks(function="time out"), "Lambda.FunctionError", 2, id="timeout"),
    ],
)
def test_a_broken_response_fails_the_whole_batch_and_function_errors_are_retried(
    deploy: Any, run: Any, function: Any, record: Any, code: Any, attempts: Any
) -> None:
    running = run(deploy(), processor_seconds=1)
    running.put(record, NEIGHBOUR)
    running.settle()
    documents = running.stream.errors()
    assert [base64.b64decode(document["rawData"]) for document in documents] == [record, NEIGHBOUR]
    assert {document["errorCode"] for document in documents} == {code}
    assert {document["attemptsMade"] for document in documents} == {attempts}
    assert len(function.events(running.stream)) == attempts
    assert running.stream.data() == {}


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b'{"other": ' + b"[" * 10_000, "Lambda.JsonProcessingException"),
        (b'{"records": [{"recordId": "\xff"}]}', "Lambda.FunctionError"),
    ],
)
def test_a_response_that_cannot_be_read_is_a_failure_of_its_batch(payload: Any, code: Any) -> None:
    failure = judge([BufferedRecord(1, START_MS, b"a")], payload, TransformedBatch(1, START_MS))
    assert failure is not None
    assert failure.code == code


@pytest.mark.parametrize("retries", [0, 2])
def test_a_failing_function_is_called_once_more_than_the_retries(
    deploy: Any, run: Any, function: Any, retries: Any
) -> None:
    running = run(deploy({"NumberOfRetries": str(retries)}))
    running.put(asks(function="raise"))
    running.settle()
    assert len(function.events(running.stream)) == 1 + retries
    assert running.stream.errors()[0]["attemptsMade"] == 1 + retries


def test_each_attempt_has_a_new_invocation_id_and_the_same_records(
    deploy: Any, run: Any, function: Any
) -> None:
    running = run(deploy())
    running.put(asks(ok("a\n", site="a"), function="raise once"))
    running.settle()
    first, second = function.events(running.stream)
    assert first.pop("invocationId") != second.pop("invocationId")
    assert first == second
    assert running.stream.data() == {"data/site=a/": "a\n"}


def test_a_missing_function_fails_the_batch_at_once(deploy: Any, run: Any) -> None:
    arn = "arn:aws:lambda:us-east-1:000000000000:function:gone"
    running = run(deploy({"LambdaArn": arn}))
    running.put(NEIGHBOUR)
    running.settle()
    (document,) = running.stream.errors()
    assert document["errorCode"] == "Lambda.ResourceNotFound"
    assert document["attemptsMade"] == 1
    assert document["lambdaARN"] == f"{arn}:$LATEST"


def test_throttling_is_retried(deploy: Any, run: Any, function: Any, emulator: str) -> None:
    functions = client("lambda", emulator)
    running = run(deploy({"NumberOfRetries": "1"}))
    functions.put_function_concurrency(FunctionName=function.arn, ReservedConcurrentExecutions=0)
    try:
        running.put(NEIGHBOUR)
        running.settle()
    finally:
        functions.delete_function_concurrency(FunctionName=function.arn)
    (document,) = running.stream.errors()
    assert document["errorCode"] == "Lambda.InvokeLimitExceeded"
    assert document["attemptsMade"] == 2


@pytest.fixture
def refusing_lambda(script_server: HTTPServer) -> Iterator[Callable[[int, str], str]]:
    """Answers every invocation with a status and an error code, at the endpoint returned."""

    def refuse(status: int, code: str) -> str:
        place = f"/{uuid.uuid4()}"
        script_server.expect_request(re.compile(f"{place}/.*")).respond_with_data(
            "{}", status, {"x-amzn-ErrorType": code}
        )
        return script_server.url_for(place)

    yield refuse
    script_server.clear()


def attempt(
    emulator: str, stream: Deployed, lambda_endpoint: str
) -> tuple[TransformedBatch, list[float]]:
    """The answer for one record, and the pauses made between attempts."""
    described = client("firehose", emulator).describe_delivery_stream(
        DeliveryStreamName=stream.name
    )["DeliveryStreamDescription"]
    backend = Emulator(lambda_endpoint, "us-east-1")
    functions = backend.functions()
    pauses: list[float] = []
    stream_config = config.read(described, backend.column_types)
    processor = Processor(stream_config, functions, SetClock(), pauses.append)
    answer = processor.transform([BufferedRecord(1, START_MS, NEIGHBOUR)])
    functions.close()
    return answer, pauses


def test_an_unreachable_function_is_tried_again_after_growing_pauses(
    emulator: str, deploy: Any, closed_endpoint: Any
) -> None:
    answer, pauses = attempt(emulator, deploy({"NumberOfRetries": "3"}), closed_endpoint)
    assert [failure.code for _, failure in answer.failed] == ["Lambda.FunctionRequestTimedOut"]
    assert answer.attempts == 4
    assert pauses == [0.5, 1, 2]


@pytest.mark.parametrize(
    ("status", "code", "reported", "attempts"),
    [
        (403, "AccessDeniedException", "Lambda.InvokeAccessDenied", 1),
        (400, "InvalidRuntimeException", "Lambda.InternalServerError", 1),
        (500, "ServiceException", "Lambda.InternalServerError", 2),
    ],
)
def test_a_refused_invocation_is_retried_only_when_the_service_failed(
    emulator: str,
    deploy: Any,
    refusing_lambda: Any,
    status: Any,
    code: Any,
    reported: Any,
    attempts: Any,
) -> None:
    answer, _ = attempt(emulator, deploy(), refusing_lambda(status, code))
    assert [failure.code for _, failure in answer.failed] == [reported]
    assert answer.attempts == attempts


def test_a_batch_goes_to_the_function_when_its_interval_is_over(
    deploy: Any, run: Any, function: Any
) -> None:
    running = run(deploy(), processor_seconds=10, buffer_seconds=0)
    running.put(NEIGHBOUR)
    running.clock.advance(9.999)
    running.put(NEIGHBOUR)
    assert function.events(running.stream) == []
    running.clock.advance(0.001)
    poll(lambda: running.status()["delivered"] == 2)
    (event,) = function.events(running.stream)
    assert len(event["records"]) == 2


def test_a_batch_goes_to_the_function_when_its_size_is_reached(
    deploy: Any, run: Any, function: Any
) -> None:
    running = run(deploy({"BufferSizeInMBs": "0.2"}), processor_seconds=1000, buffer_seconds=0)
    large = asks(ok("large\n", site="a"), padding="x" * 150_000)
    running.put(large, large)
    poll(lambda: running.status()["delivered"] == 1)
    (event,) = function.events(running.stream)
    assert len(event["records"]) == 1


@pytest.mark.parametrize("size", [0, 1, 200, 1_024_000])
def test_an_event_never_passes_6_mb(size: Any) -> None:
    batch = Batch(size_bytes=1 << 40)
    record = BufferedRecord(START_MS * 1_000_000, START_MS, b"x" * size)
    while batch.has_room(record) and len(batch.records) < 100_000:
        batch.add(record, START_MS)
    event = Event(
        invocation_id=str(uuid.uuid4()),
        delivery_stream_arn=f"arn:aws:firehose:us-east-1:000000000000:deliverystream/{'s' * 64}",
        region="ap-southeast-99",
        records=[EventRecord(item.id, item.arrived, item.data) for item in batch.records],
    )
    assert len(msgspec.json.encode(event)) <= INVOCATION_BYTES_MAX
    assert len(batch.records) >= 4
