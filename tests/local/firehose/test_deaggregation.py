"""Records are taken apart as AWS documents it; where it documents nothing, they are damaged."""

from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from local.clock import Clock
from local.firehose.deaggregation import OBJECTS_MAX, deaggregated
from local.firehose.ledger import Journal, Ledger
from tests.local.firehose.stand import asks, encode, ok

A, B = b'{"a": {"b": ["}{", 1e5]}}', b'{"text": "\\n\xc3\xb6 \\ud800"}'


@pytest.mark.parametrize(
    "record",
    [
        A,
        A + B,
        A + b"\n" + B,
        A + b"\n" + B + b"\n",
        A + B + b"\n" + A,
        b'{"n": %s}' % (b"9" * 9000),
    ],
)
def test_objects_with_a_newline_or_nothing_between_them_are_taken_apart(record: bytes) -> None:
    parts = deaggregated(record)
    assert parts is not None
    assert b"".join(parts) == record.replace(b"\n", b"")
    assert set(parts) <= {A, B, record}


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\n", id="an empty line"),
        pytest.param(b"[" + A + b"," + B + b"]", id="an array"),
        pytest.param(A + b"[" + B + b"]", id="an array behind an object"),
        pytest.param(A[:-1], id="half an object"),
        pytest.param(A + b"\n" + B[:-1], id="half an object behind a whole one"),
        pytest.param(A + B[:-2] + b"}", id="a text without an end"),
        pytest.param(A + b" " + B, id="a space between"),
        pytest.param(A + b"\r\n" + B, id="a carriage return between"),
        pytest.param(A + b"\n\n" + B, id="an empty line between"),
        pytest.param(A + b"," + B, id="a comma between"),
        pytest.param(b" " + A, id="a space before"),
        pytest.param(A + b"\n ", id="a space behind"),
        pytest.param(b'{\n"a": 1}', id="an object on two lines"),
        pytest.param(b'"text"', id="a text"),
        pytest.param(b"7", id="a number"),
        pytest.param(A + b"\xff", id="no text"),
        pytest.param(b'{"a": "\xff"}{"b": "}', id="no UTF-8"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="nested too deeply"),
    ],
)
def test_anything_else_is_damaged(record: bytes) -> None:
    assert deaggregated(record) is None


def test_a_record_of_more_than_500_objects_stays_whole() -> None:
    assert deaggregated(A * OBJECTS_MAX) == [A] * OBJECTS_MAX
    assert deaggregated(A * (OBJECTS_MAX + 1)) == [A * (OBJECTS_MAX + 1)]


def test_each_object_goes_its_own_way_through_the_function(
    deploy: Any, run: Any, function: Any
) -> None:
    running = run(stream := deploy(deaggregates=True))
    failing = asks({"result": "ProcessingFailed"})
    first, second = running.put(
        b"\n".join([asks(ok("a\n", site="a")), failing, asks({"result": "Dropped"})]),
        asks(ok("b\n", site="b")),
    )
    running.settle()
    assert stream.data() == {"data/site=a/": "a\n", "data/site=b/": "b\n"}
    (document,) = stream.errors()
    assert document["rawData"] == encode(failing.decode())
    ids = [record["recordId"] for event in function.events(stream) for record in event["records"]]
    assert len({*ids}) == 4
    assert {first, second} <= {*ids}
    status = running.status()
    assert (status["put"], status["billedBytes"], status["received"]) == (2, 2 * 5120, 4)


def test_a_damaged_record_is_quarantined_whole_and_the_function_does_not_see_it(
    deploy: Any, run: Any, function: Any
) -> None:
    running = run(stream := deploy(deaggregates=True))
    damaged = asks(ok("a\n", site="a")) + b'{"half": '
    running.put(damaged, asks(ok("b\n", site="b")))
    running.settle()
    assert stream.data() == {"data/site=b/": "b\n"}
    (document,) = stream.errors()
    assert b64decode(document["rawData"]) == damaged
    assert document["errorCode"] == "DynamicPartitioning.MetadataExtractionFailed"
    assert sum(len(event["records"]) for event in function.events(stream)) == 1


def test_without_the_processor_the_function_gets_a_record_as_it_is(
    deploy: Any, run: Any, function: Any
) -> None:
    running = run(stream := deploy())
    whole = asks(ok("a\n", site="a")) + b" "
    running.put(whole)
    running.settle()
    assert stream.data() == {"data/site=a/": "a\n"}
    ((record,),) = (event["records"] for event in function.events(stream))
    assert b64decode(record["data"]) == whole


def test_records_that_were_taken_apart_outlive_a_kill(tmp_path: Path) -> None:
    """What is kept are the objects, and the damaged records as they are."""
    journal = Journal(tmp_path / "journal")
    Ledger("stream", Clock(), journal).accept([*(deaggregated(A + A) or []), b"damaged"])
    kept = Ledger("stream", Clock(), journal).kept
    assert [deaggregated(each.data) for each in kept] == [[A], [A], None]
    journal.close()
