"""Error lines, read whatever they hold."""

import gzip
import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sluice.recovery.error_lines import UNNAMED, UNREADABLE, FailedRecord, read_line, read_object

TIME = 1700076551926


def line(**fields: Any) -> bytes:
    document = {
        "attemptsMade": 4,
        "arrivalTimestamp": TIME - 5,
        "errorCode": "Lambda.FunctionError",
        "errorMessage": "It failed.",
        "attemptEndingTimestamp": TIME,
        "rawData": b64encode(b"the record").decode(),
        "lambdaARN": "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST",
    }
    return json.dumps({**document, **fields}).encode()


def test_a_line_as_observed_on_aws_is_read() -> None:
    assert read_line(3, line()) == FailedRecord(
        3, "Lambda.FunctionError", "It failed.", TIME, b"the record"
    )


def test_a_line_as_documented_with_text_for_numbers_is_read() -> None:
    document = {
        "attemptsMade": "4",
        "arrivalTimestamp": str(TIME - 5),
        "errorCode": "Lambda.FunctionError",
        "errorMessage": "It failed.",
        "attemptEndingTimestamp": str(TIME),
        "rawData": b64encode(b"the record").decode(),
        "lambdaArn": "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST",
    }
    assert read_line(1, json.dumps(document).encode()) == read_line(1, line())


def test_a_failed_conversion_with_capitalised_keys_is_read_and_can_be_replayed() -> None:
    document = {
        "attemptsMade": 1,
        "arrivalTimestamp": TIME,
        "ErrorCode": "DataFormatConversion.ParseError",
        "ErrorMessage": "no",
        "attemptEndingTimestamp": TIME,
        "rawData": b64encode(b'{"id": "1"}').decode(),
        "sequenceNumber": "1",
        "subSequenceNumber": None,
        "dataCatalogTable": {"tableName": "t"},
    }
    record = read_line(1, json.dumps(document).encode())
    assert (record.code, record.message) == ("DataFormatConversion.ParseError", "no")
    assert record.payload == b'{"id": "1"}'
    assert record.obstacle is None


def test_the_error_of_a_conversion_may_be_spelt_as_the_last_one() -> None:
    document = {"lastErrorCode": "DataFormatConversion.ParseError", "lastErrorMessage": "no"}
    record = read_line(1, json.dumps(document).encode())
    assert (record.code, record.message) == ("DataFormatConversion.ParseError", "no")


def test_a_line_of_the_lake_can_be_replayed() -> None:
    raw = b64encode(b'{"id": "1", "changeSequence": "0"}\n').decode()
    assert read_line(1, line(rawData=raw)).obstacle is None


def test_an_empty_record_can_be_replayed() -> None:
    record = read_line(1, line(rawData=""))
    assert (record.payload, record.obstacle) == (b"", None)


@pytest.mark.parametrize("raw", [None, 7, "no base64!", "YQ", ["YQ=="]])
def test_a_line_without_its_record_is_listed_and_not_to_be_replayed(raw: Any) -> None:
    record = read_line(1, line(rawData=raw))
    assert record.code == "Lambda.FunctionError"
    assert record.payload is None
    assert "rawData" in str(record.obstacle)


def test_a_record_above_the_limit_of_firehose_is_not_to_be_replayed() -> None:
    record = read_line(1, line(rawData=b64encode(bytes(1_024_001)).decode()))
    assert "1024001 bytes" in str(record.obstacle)
    assert read_line(1, line(rawData=b64encode(bytes(1_024_000)).decode())).obstacle is None


@pytest.mark.parametrize("time", [None, "", "soon", -1, True, 1e40, "9" * 15, {}])
def test_a_time_that_is_none_is_unknown(time: Any) -> None:
    record = read_line(1, line(attemptEndingTimestamp=time, arrivalTimestamp=time))
    assert record.failed_at is None


@pytest.mark.parametrize("time", [TIME, float(TIME), str(TIME), "2023-11-15T19:29:11.926Z"])
def test_a_time_is_read_in_every_spelling(time: Any) -> None:
    assert read_line(1, line(attemptEndingTimestamp=time)).failed_at == TIME


def test_without_the_end_the_arrival_tells_the_time() -> None:
    assert read_line(1, line(attemptEndingTimestamp=None)).failed_at == TIME - 5


@pytest.mark.parametrize("code", [None, ""])
def test_a_line_without_a_code_is_listed_as_unnamed(code: Any) -> None:
    assert read_line(1, line(errorCode=code)).code == UNNAMED


def test_a_number_is_a_code_too() -> None:
    assert read_line(1, line(errorCode=500)).code == "500"


@pytest.mark.parametrize(
    "torn", [b"{", b"[]", b"7", b'"text"', b"\xff\xfe", b"[" * 100_000, line()[:-3]]
)
def test_a_line_that_is_no_object_is_itself_listed(torn: bytes) -> None:
    first, broken, last = read_object(line() + b"\n" + torn + b"\n" + line())
    assert (broken.line, broken.code) == (2, UNREADABLE)
    assert broken.obstacle
    assert (first.obstacle, last.obstacle) == (None, None)


def test_lines_are_read_from_gzip_and_from_plain_objects() -> None:
    body = line() + b"\n" + line() + b"\n"
    assert read_object(gzip.compress(body)) == read_object(body)
    assert [record.line for record in read_object(body)] == [1, 2]


@pytest.mark.parametrize("cut", [5, 30, -1])
def test_a_torn_gzip_object_is_itself_listed(cut: int) -> None:
    (record,) = read_object(gzip.compress(line())[:cut])
    assert (record.line, record.code) == (0, UNREADABLE)


def test_a_gzip_object_of_wrong_bytes_is_itself_listed() -> None:
    body = bytearray(gzip.compress(line()))
    body[20:40] = bytes(20)
    (record,) = read_object(bytes(body))
    assert record.code == UNREADABLE


@given(st.binary(), st.binary())
def test_any_lines_are_listed_one_by_one_and_leave_their_neighbour_as_it_is(
    before: bytes, behind: bytes
) -> None:
    body = before + b"\n" + line() + b"\n" + behind
    assume(not body.startswith(b"\x1f\x8b"))
    lines = body.split(b"\n")
    records = {record.line: record for record in read_object(body)}
    assert list(records) == [n for n, each in enumerate(lines, 1) if each.strip()]
    number = lines.index(line()) + 1
    assert records.pop(number) == read_line(number, line())
    assert all(record.payload is None and record.obstacle for record in records.values())


texts = st.text("aZ09=+/ \n\x00\N{SNOWMAN}")
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=5,
)
names = st.sampled_from(
    ["errorCode", "ErrorCode", "errorMessage", "attemptEndingTimestamp", "arrivalTimestamp"]
)


@given(st.dictionaries(names, values), st.binary())
def test_the_record_is_read_whatever_stands_beside_it(
    fields: dict[str, Any], payload: bytes
) -> None:
    document = fields | {"rawData": b64encode(payload).decode()}
    record = read_line(1, json.dumps(document).encode())
    assert (record.payload, record.obstacle) == (payload, None)
    assert record.code


@given(values.filter(lambda value: not isinstance(value, str)))
def test_a_value_that_is_no_text_is_no_record(value: Any) -> None:
    record = read_line(1, line(rawData=value))
    assert (record.code, record.payload) == ("Lambda.FunctionError", None)
    assert "rawData" in str(record.obstacle)
