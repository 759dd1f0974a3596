"""Firehose's operations with boto3 as the client; what boto3 would not send, by plain HTTP."""

import base64
import json
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from local.firehose.wire import BODY_BYTES_MAX
from tests.local.firehose.stand import asks, client, ok

RECORD = asks(ok("a\n", site="a"))


@pytest.fixture
def running(deploy: Any, run: Any) -> Any:
    return run(deploy())


def post(
    running: Any, body: bytes, target: str = "PutRecordBatch", path: str = "/", **headers: str
) -> Any:
    """Status and decoded body of a plain request."""
    url = urlsplit(running.url)
    connection = HTTPConnection(url.hostname, url.port, timeout=60)
    headers = {"X-Amz-Target": f"Firehose_20150804.{target}", **headers}
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    if response.headers["Content-Type"] != "application/x-amz-json-1.1":
        return response.status, content
    return response.status, json.loads(content)


def refusal(call: Any, **arguments: Any) -> Any:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]


def test_put_record_answers_with_the_id_the_function_sees(running: Any, function: Any) -> None:
    answer = running.client.put_record(
        DeliveryStreamName=running.stream.name, Record={"Data": RECORD}
    )
    assert answer["Encrypted"] is False
    running.settle()
    (event,) = function.events(running.stream)
    assert event["records"][0]["recordId"] == answer["RecordId"]
    assert running.stream.data() == {"data/site=a/": "a\n"}


def test_responses_stand_in_the_order_of_the_records(deploy: Any, run: Any, function: Any) -> None:
    running = run(deploy(), processor_seconds=1)
    records = [asks(ok(f"{number}\n", site="a")) for number in range(500)]
    ids = running.put(*records)
    assert len(set(ids)) == 500
    running.settle()
    (event,) = function.events(running.stream)
    seen = {item["recordId"]: base64.b64decode(item["data"]) for item in event["records"]}
    assert [seen[record_id] for record_id in ids] == records


def test_a_record_of_1000_kib_is_taken_and_one_byte_more_is_refused(running: Any) -> None:
    padding = 1_024_000 - len(asks(ok("a\n", site="a"), padding=""))
    largest = asks(ok("a\n", site="a"), padding="x" * padding)
    assert len(largest) == 1_024_000
    running.put(largest)
    for call, argument in (
        (running.client.put_record, {"Record": {"Data": largest + b" "}}),
        (
            running.client.put_record_batch,
            {"Records": [{"Data": RECORD}, {"Data": largest + b" "}]},
        ),
    ):
        error = refusal(call, DeliveryStreamName=running.stream.name, **argument)
        assert error["Code"] == "ValidationException"
        assert "less than or equal to 1024000" in error["Message"]
    assert running.status()["received"] == 1


def test_501_records_are_refused(running: Any) -> None:
    error = refusal(
        running.client.put_record_batch,
        DeliveryStreamName=running.stream.name,
        Records=[{"Data": RECORD}] * 501,
    )
    assert error["Code"] == "ValidationException"
    assert "'records'" in error["Message"]
    assert "less than or equal to 500" in error["Message"]
    assert running.status()["received"] == 0


def test_a_batch_of_4_mib_is_taken_and_one_byte_more_is_refused(running: Any) -> None:
    pieces = [b" " * 1_000_000] * 4
    rest = b" " * (4 * 1024 * 1024 - 4_000_000)
    assert len(running.put(*pieces, rest)) == 5
    error = refusal(
        running.client.put_record_batch,
        DeliveryStreamName=running.stream.name,
        Records=[{"Data": data} for data in (*pieces, rest + b" ")],
    )
    assert error["Code"] == "InvalidArgumentException"
    assert "4 MB" in error["Message"]
    assert running.status()["received"] == 5


def test_an_unknown_stream_is_not_found(running: Any) -> None:
    error = refusal(running.client.put_record, DeliveryStreamName="absent", Record={"Data": RECORD})
    assert error["Code"] == "ResourceNotFoundException"
    assert "absent" in error["Message"]


def test_a_path_with_more_than_the_root_is_not_found(running: Any) -> None:
    body = json.dumps({"DeliveryStreamName": running.stream.name, "Record": {"Data": "YQ=="}})
    for path in ("/%0A", "/%0a%0a", "/a", "//"):
        status, _ = post(running, body.encode(), "PutRecord", path)
        assert status == 404
    assert running.status()["received"] == 0


def test_an_unknown_operation_is_refused(running: Any) -> None:
    error = refusal(running.client.delete_delivery_stream, DeliveryStreamName=running.stream.name)
    assert error["Code"] == "UnknownOperationException"
    assert "DeleteDeliveryStream" in error["Message"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"{", "SerializationException", id="not JSON"),
        pytest.param(b'{"DeliveryStreamName": "\xff"}', "SerializationException", id="not UTF-8"),
        pytest.param(b"[]", "ValidationException", id="not an object"),
        pytest.param(b'{"Records": []}', "ValidationException", id="no stream"),
        pytest.param(
            b'{"DeliveryStreamName": "%s", "Records": []}', "ValidationException", id="no records"
        ),
        pytest.param(
            b'{"DeliveryStreamName": "%s", "Records": [{"Data": "secret!"}]}',
            "ValidationException",
            id="no base64",
        ),
        pytest.param(
            b'{"DeliveryStreamName": "%s", "Records": [{"Data": null}]}',
            "ValidationException",
            id="null data",
        ),
    ],
)
def test_a_malformed_request_is_refused_without_repeating_its_payload(
    running: Any, body: Any, code: Any
) -> None:
    status, answer = post(running, body.replace(b"%s", running.stream.name.encode()))
    assert (status, answer["__type"]) == (400, code)
    assert "secret" not in answer["message"]


def test_a_body_over_the_limit_is_refused(running: Any) -> None:
    status, answer = post(running, b"", **{"Content-Length": str(BODY_BYTES_MAX + 1)})
    assert (status, answer["__type"]) == (413, "RequestEntityTooLargeException")


@pytest.mark.parametrize("host", ["rebound.example", "rebound.example:4573", "127.0.0.1.example"])
def test_a_foreign_host_header_is_refused(running: Any, host: Any) -> None:
    assert post(running, b"{}", "ListDeliveryStreams", Host=host)[0] == 403
    assert post(running, b"{}", "ListDeliveryStreams", Host="localhost")[0] == 200


def test_describe_shows_the_stream_as_deployed_and_the_local_intervals_beside_it(
    running: Any, emulator: str
) -> None:
    arguments = {"DeliveryStreamName": running.stream.name}
    deployed = client("firehose", emulator).describe_delivery_stream(**arguments)
    described = running.client.describe_delivery_stream(**arguments)
    assert described["DeliveryStreamDescription"] == deployed["DeliveryStreamDescription"]
    _, answer = post(running, json.dumps(arguments).encode(), "DescribeDeliveryStream")
    assert answer["DeliveryStreamDescription"]["LocalBuffering"] == {
        "IntervalInSeconds": 2,
        "ProcessorBufferIntervalInSeconds": 0,
    }


def test_list_names_the_streams_a_page_at_a_time(running: Any) -> None:
    name = running.stream.name
    answer = running.client.list_delivery_streams(DeliveryStreamType="DirectPut")
    assert answer["DeliveryStreamNames"] == [name]
    assert answer["HasMoreDeliveryStreams"] is False
    rest = running.client.list_delivery_streams(ExclusiveStartDeliveryStreamName=name)
    assert rest["DeliveryStreamNames"] == []


def test_the_status_tells_what_became_of_the_records(deploy: Any, run: Any) -> None:
    running = run(deploy(), buffer_seconds=10)
    running.put(RECORD, asks({"result": "Dropped"}), asks({"result": "ProcessingFailed"}))
    running.clock.advance(3)
    running.settle()
    assert running.status() == {
        "put": 3,
        "billedBytes": 3 * 5120,
        "received": 3,
        "delivered": 1,
        "dropped": 1,
        "quarantined": 1,
        "objects": 1,
        "errorObjects": 1,
        "buffered": 0,
        "oldestBufferedAgeMs": 0,
        "activePartitions": 0,
        "invocations": 1,
        "transformed": 1,
        "failed": 1,
        "waitingForProcessor": 0,
        "buffers": [],
        "bufferIntervalInSeconds": {"deployed": 60, "local": 10},
        "processorBufferIntervalInSeconds": {"deployed": 60, "local": 0},
    }
