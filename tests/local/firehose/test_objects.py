"""Partitions and objects, through boto3's puts and gets."""

import re
import uuid
from typing import Any

import pytest

from local.firehose.ledger import BufferedRecord
from local.firehose.objects import PartitionBuffers
from tests.local.firehose.stand import START_MS, asks, client, ok, poll

NEIGHBOUR = asks(ok("neighbour\n", site="n"))


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param({}, id="absent"),
        pytest.param({"site": ""}, id="empty"),
        pytest.param({"site": None}, id="null"),
        pytest.param({"site": 1}, id="number"),
        pytest.param({"other": "a"}, id="another key"),
    ],
)
def test_a_record_without_a_partition_value_is_quarantined_alone(
    deploy: Any, run: Any, keys: Any
) -> None:
    running = run(deploy())
    running.put(asks(ok("a\n", **keys)), NEIGHBOUR)
    running.settle()
    (document,) = running.stream.errors()
    assert document["errorCode"] == "DynamicPartitioning.MetadataExtractionFailed"
    assert running.stream.data() == {"data/site=n/": "neighbour\n"}


@pytest.mark.parametrize("metadata", [None, "text", {}, {"partitionKeys": None}])
def test_a_record_without_partition_keys_is_quarantined_alone(
    deploy: Any, run: Any, metadata: Any
) -> None:
    running = run(deploy())
    running.put(asks({"result": "Ok", "data": "eA==", "metadata": metadata}), NEIGHBOUR)
    running.settle()
    (document,) = running.stream.errors()
    assert document["errorCode"] == "DynamicPartitioning.MetadataExtractionFailed"
    assert running.stream.data() == {"data/site=n/": "neighbour\n"}


def test_an_extra_key_is_harmless(deploy: Any, run: Any) -> None:
    running = run(deploy())
    running.put(asks(ok("a\n", site="a", other="b")))
    running.settle()
    assert running.stream.data() == {"data/site=a/": "a\n"}


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        pytest.param("x" * (512 - len("data/site=/")), True, id="512 characters"),
        pytest.param("x" * (513 - len("data/site=/")), False, id="513 characters"),
        pytest.param("é" * 460, True, id="key within 1024 bytes"),
        pytest.param("é" * 490, False, id="key over 1024 bytes"),
    ],
)
def test_a_prefix_beyond_the_limits_quarantines_the_record(
    deploy: Any, run: Any, value: Any, fits: Any
) -> None:
    running = run(deploy())
    running.put(asks(ok("a\n", site=value)))
    running.settle()
    codes = [document["errorCode"] for document in running.stream.errors()]
    assert codes == ([] if fits else ["DynamicPartitioning.InvalidPrefix"])
    assert running.stream.data() == ({f"data/site={value}/": "a\n"} if fits else {})


def test_a_value_that_looks_like_an_expression_is_plain_text(deploy: Any, run: Any) -> None:
    running = run(deploy())
    running.put(asks(ok("a\n", site="!{timestamp:yyyy}")))
    running.settle()
    assert running.stream.data() == {"data/site=!{timestamp:yyyy}/": "a\n"}


def test_the_501st_active_partition_is_quarantined_and_active_ones_go_on(
    deploy: Any, run: Any
) -> None:
    running = run(deploy(), buffer_seconds=1000, processor_seconds=1)
    running.put(*[asks(ok("1\n", site=f"{number:03}")) for number in range(500)])
    running.clock.advance(1)
    poll(lambda: running.status()["activePartitions"] == 500)
    running.put(asks(ok("2\n", site="000")), asks(ok("1\n", site="500")))
    running.settle()
    (document,) = running.stream.errors()
    assert document["errorCode"] == "DynamicPartitioning.ActivePartitionsLimitExceeded"
    data = running.stream.data()
    assert data["data/site=000/"] == "1\n2\n"
    assert len(data) == 500
    status = running.status()
    counts = {name: status[name] for name in ("received", "delivered", "quarantined", "objects")}
    assert counts == {"received": 502, "delivered": 501, "quarantined": 1, "objects": 500}


def test_a_flush_makes_one_object_a_partition_with_nothing_added(deploy: Any, run: Any) -> None:
    running = run(deploy(), processor_seconds=1)
    running.put(asks(ok("a", site="a")), asks(ok("b", site="a")))
    running.put(asks(ok("c", site="a")), asks(ok("", site="a")))
    running.settle()
    (key,) = running.stream.object_keys()
    assert running.stream.read(key) == b"abc"


def test_an_object_is_named_after_stream_version_and_oldest_arrival(deploy: Any, run: Any) -> None:
    prefix = "data/site=!{partitionKeyFromLambda:site}/!{timestamp:yyyy-MM-dd'T'HH-mm-ss}/"
    running = run(deploy(Prefix=prefix), processor_seconds=10)
    running.put(NEIGHBOUR)
    running.clock.advance(1.9)
    running.put(NEIGHBOUR)
    running.settle()
    (key,) = running.stream.object_keys()
    name = re.fullmatch(
        rf"data/site=n/2023-11-15T19-29-11/{running.stream.name}-1-2023-11-15-19-29-11-(.{{36}}).gz",
        key,
    )
    assert name
    assert uuid.UUID(name[1])
    assert running.stream.read(key) == b"neighbour\nneighbour\n"


def test_a_random_string_is_evaluated_for_each_object(deploy: Any, run: Any) -> None:
    running = run(deploy(Prefix="data/!{firehose:random-string}/!{partitionKeyFromLambda:site}/"))
    running.put(asks(ok("a", site="a")), asks(ok("b", site="b")))
    running.settle()
    keys = running.stream.object_keys()
    matches = [re.fullmatch(r"data/([A-Za-z0-9]{11})/./.+", key) for key in keys]
    assert all(matches)
    folders = {match[1] for match in matches if match}
    assert len(folders) == 2


def test_an_object_is_gzip_and_says_so(deploy: Any, run: Any, emulator: str) -> None:
    running = run(deploy())
    running.put(NEIGHBOUR)
    running.settle()
    (key,) = running.stream.object_keys()
    head = client("s3", emulator).head_object(Bucket=running.stream.bucket, Key=key)
    assert head["ContentEncoding"] == "gzip"
    assert head["ContentType"] == "application/octet-stream"


def test_an_object_is_encrypted_with_the_destinations_key(
    deploy: Any, run: Any, emulator: str
) -> None:
    arn = client("kms", emulator).create_key()["KeyMetadata"]["Arn"]
    running = run(deploy(EncryptionConfiguration={"KMSEncryptionConfig": {"AWSKMSKeyARN": arn}}))
    running.put(NEIGHBOUR)
    running.settle()
    (key,) = running.stream.object_keys()
    head = client("s3", emulator).head_object(Bucket=running.stream.bucket, Key=key)
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", arn)


def test_each_partition_keeps_its_own_interval(deploy: Any, run: Any) -> None:
    running = run(deploy(), buffer_seconds=10)
    running.put(asks(ok("a", site="a")))
    poll(lambda: running.status()["activePartitions"] == 1)
    running.clock.advance(6)
    running.put(asks(ok("b", site="b")))
    poll(lambda: running.status()["activePartitions"] == 2)
    running.clock.advance(4)
    poll(lambda: running.status()["delivered"] == 1)
    assert running.stream.data() == {"data/site=a/": "a"}
    assert running.status()["oldestBufferedAgeMs"] == 4000
    running.clock.advance(6)
    poll(lambda: running.status()["delivered"] == 2)
    assert running.stream.data() == {"data/site=a/": "a", "data/site=b/": "b"}


def test_intervals_go_on_when_the_clock_is_set_back(deploy: Any, run: Any) -> None:
    running = run(deploy(), buffer_seconds=10, processor_seconds=5)
    running.put(asks(ok("a", site="a")))
    running.clock.set(-3600)
    running.clock.advance(5)
    poll(lambda: running.status()["activePartitions"] == 1)
    running.clock.set(-3600)
    assert running.status()["buffers"][0]["dueInMs"] == 10_000
    running.clock.advance(10)
    poll(lambda: running.status()["delivered"] == 1)
    assert running.stream.data() == {"data/site=a/": "a"}


def test_a_partition_is_let_go_when_its_size_is_reached() -> None:
    buffers = PartitionBuffers(size_bytes=10, interval_ms=1000)
    assert buffers.add(("a",), BufferedRecord(1, START_MS, b""), b"12345", START_MS) is None
    assert buffers.add(("b",), BufferedRecord(2, START_MS, b""), b"12345", START_MS) is None
    full = buffers.add(("a",), BufferedRecord(3, START_MS, b""), b"67890", START_MS)
    assert full is not None
    assert (full.sequences, full.pieces) == ([1, 3], [b"12345", b"67890"])
    assert ("a",) not in buffers
    assert ("b",) in buffers


def test_records_are_held_while_s3_refuses_them(deploy: Any, run: Any, emulator: str) -> None:
    running = run(deploy())
    s3 = client("s3", emulator)
    s3.delete_bucket(Bucket=running.stream.bucket)
    running.put(NEIGHBOUR)
    poll(lambda: running.status()["activePartitions"] == 1)
    running.clock.advance(2)
    poll(lambda: running.status()["activePartitions"] == 0)
    assert running.status()["buffered"] == 1
    s3.create_bucket(Bucket=running.stream.bucket)
    poll(lambda: running.status()["buffered"] == 0)
    assert running.stream.data() == {"data/site=n/": "neighbour\n"}
