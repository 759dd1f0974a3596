import json
import sys
from base64 import b64decode, b64encode
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simplejson.raw_json import RawJSON

from chalicelib.change import INPUT_TEMPLATE
from chalicelib.limits import INVOCATION_BYTES_MAX
from chalicelib.partitions import path
from chalicelib.schema import TABLE
from chalicelib.transform import deployed_transformer, transformer
from tests.attribute_values import attribute_values
from tests.declaring import table

IMAGE = {
    "id": {"S": "123"},
    "siteId": {"S": "2"},
    "createdAtTime": {"N": "1700076551926"},
    "name": {"S": "Name one"},
    "valueOne": {"N": "123"},
    "valueTwo": {"N": "6789"},
}


def change(event_name: str = "INSERT", **parts: Any) -> dict[str, Any]:
    """A stream record as the pipe's template spells it."""
    image = {k: v for k, v in {**IMAGE, **parts.pop("image", {})}.items() if v is not None}
    stream = {
        "ApproximateCreationDateTime": 1700076552,
        "Keys": {"id": IMAGE["id"]},
        "OldImage" if event_name == "REMOVE" else "NewImage": image,
        "SequenceNumber": "4421584500000000017450439091",
        "SizeBytes": 26,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
        **parts.pop("stream", {}),
    }
    document = {"eventID": "e1", "eventName": event_name, "dynamodb": stream, "userIdentity": ""}
    return {**document, **parts}


def encoded(data: Any) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return b64encode(raw).decode()


def batch(*payloads: Any) -> dict[str, Any]:
    return {
        "invocationId": "i",
        "records": [
            {"recordId": str(i), "approximateArrivalTimestamp": 1700076552000, "data": encoded(p)}
            for i, p in enumerate(payloads)
        ],
    }


def answers(event: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = transformer(**{"table": TABLE, **options})(event)["records"]
    return records


def only(payload: Any, **options: Any) -> dict[str, Any]:
    (answer,) = answers(batch(payload), **options)
    return answer


def lake_line(answer: dict[str, Any]) -> dict[str, Any]:
    raw = b64decode(answer["data"])
    assert raw.endswith(b"\n")
    assert raw.count(b"\n") == 1
    line: dict[str, Any] = json.loads(raw)
    return line


def folder(answer: dict[str, Any]) -> str:
    return path(answer["metadata"]["partitionKeys"])


def test_the_change_helper_has_the_keys_of_the_pipes_template() -> None:
    assert [key for key in change() if f"<$.{key}>" not in INPUT_TEMPLATE] == []


def test_an_insert_becomes_a_typed_line_in_its_partition() -> None:
    answer = only(change())
    assert answer["result"] == "Ok"
    assert folder(answer) == "data/siteId=2/year=2023/month=11/day=15/hour=19/minute=29/"
    assert lake_line(answer) == {
        "id": "123",
        "siteId": "2",
        "createdAtTime": 1700076551926,
        "name": "Name one",
        "valueOne": 123,
        "valueTwo": 6789,
        "changeType": "INSERT",
        "changeSequence": "4421584500000000017450439091".zfill(40),
        "changedAt": 1700076552000,
        "eventId": "e1",
    }


def test_a_modify_carries_the_new_image() -> None:
    old = {**IMAGE, "valueOne": {"N": "1"}}
    assert lake_line(only(change("MODIFY", stream={"OldImage": old})))["valueOne"] == 123


def test_a_remove_carries_the_old_image_to_the_partition_of_the_item_that_died() -> None:
    answer = only(change("REMOVE"))
    assert folder(answer).startswith("data/siteId=2/year=2023/")
    line = lake_line(answer)
    assert (line["changeType"], line["id"], line["valueOne"]) == ("REMOVE", "123", 123)
    assert "expired" not in line


def test_a_delete_by_time_to_live_is_marked() -> None:
    by_ttl = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    assert lake_line(only(change("REMOVE", userIdentity=by_ttl)))["expired"] is True


def test_a_delete_by_another_service_is_not_marked_as_expired() -> None:
    by_other = {"type": "Service", "principalId": "replication.dynamodb.amazonaws.com"}
    assert "expired" not in lake_line(only(change("REMOVE", userIdentity=by_other)))


NOBODY: tuple[Any, ...] = ("", None, {}, [], "null", "<$.userIdentity>")
MISSING: dict[str, dict[str, Any]] = {
    "absent": {},
    **{repr(value): {"userIdentity": value} for value in NOBODY},
}


@pytest.mark.parametrize("event_name", ["INSERT", "MODIFY", "REMOVE"])
@pytest.mark.parametrize("identity", MISSING.values(), ids=MISSING.keys())
def test_a_missing_identity_is_nobody_however_it_is_written(
    identity: dict[str, Any], event_name: str
) -> None:
    known = change(event_name)
    missing = {name: value for name, value in known.items() if name != "userIdentity"}
    assert only(missing | identity) == only(known)
    assert only(known)["result"] == "Ok"


@given(attribute_values, st.sampled_from(["INSERT", "REMOVE"]))
def test_no_identity_decides_whether_a_change_is_delivered(value: Any, event_name: str) -> None:
    identity = json.loads(json.dumps(value, default=lambda data: b64encode(data).decode()))
    assert only(change(event_name, userIdentity=identity)) == only(change(event_name))


def test_a_stream_record_without_a_template_is_read_as_well() -> None:
    around = {
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:1:table/t/stream/s",
    }
    record = {name: value for name, value in change().items() if name != "userIdentity"}
    assert only(record | around) == only(change())


@pytest.mark.parametrize("image", ["", None, [], {}])
def test_a_missing_image_fails_alone_and_is_named(
    image: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert only(change(stream={"NewImage": image}))["result"] == "ProcessingFailed"
    assert "missing" in json.loads(capsys.readouterr().out)["reason"]


def test_absent_fields_stay_absent_and_null_stays_null() -> None:
    line = lake_line(only(change(image={"name": None, "valueOne": {"NULL": True}})))
    assert "name" not in line
    assert line["valueOne"] is None


def test_undeclared_attributes_are_kept_exactly_as_text() -> None:
    line = lake_line(only(change(image={"weight": {"N": "1.00000000000000000000000000000000001"}})))
    assert json.loads(line["extra"]) == {"weight": {"N": "1.00000000000000000000000000000000001"}}


def test_undeclared_attributes_can_be_dropped_by_setting() -> None:
    answer = only(change(image={"weight": {"N": "1"}}), table=table(undeclared="drop"))
    assert answer["result"] == "Ok"
    assert "extra" not in lake_line(answer)


def test_a_snapshot_is_kept_whatever_changes_are_and_sorts_below_the_stream() -> None:
    snapshot = change(eventName="SNAPSHOT", stream={"SequenceNumber": "1700076552000"})
    first = lake_line(only(snapshot, change_types=("INSERT",)))
    assert first["changeType"] == "SNAPSHOT"
    assert first["changeSequence"] < lake_line(only(change()))["changeSequence"]


@pytest.mark.parametrize(
    "text",
    [
        '", "siteId": "99',
        "\\",
        "line\nbreak\r\n\t",
        '{"siteId": "99"}',
        "</script>\x00\x1f\x7f",
        "\N{SNOWMAN} \N{GRINNING FACE} \u2028",
        "",
    ],
)
def test_any_text_arrives_whole_and_moves_nothing(text: str) -> None:
    answer = only(change(image={"name": {"S": text}}))
    assert lake_line(answer)["name"] == text
    assert lake_line(answer)["siteId"] == "2"
    assert folder(answer).startswith("data/siteId=2/")


@pytest.mark.parametrize(
    ("site", "level"),
    [
        ("../../x", "siteId=..%2F..%2Fx"),
        ("..", "siteId=.."),
        ("a=b c", "siteId=a%3Db%20c"),
        ("a\nb", "siteId=a%0Ab"),
        ('"', "siteId=%22"),
        ("%2F", "siteId=%252F"),
        ("Zürich", "siteId=Z%C3%BCrich"),
        ("x" * 256, "siteId=" + "x" * 256),
    ],
)
def test_a_hostile_site_stays_one_level_and_its_line_keeps_the_text(site: str, level: str) -> None:
    answer = only(change(image={"siteId": {"S": site}}))
    assert folder(answer).split("/")[1] == level
    assert len(folder(answer).split("/")) == 8
    assert lake_line(answer)["siteId"] == site


POISON = {
    "not JSON": b"\x00\xff",
    "cut JSON": b'{"eventID": "e1", "eventName": "INSE',
    "not UTF-8": b'{"eventID": "\xff"}',
    "a scalar": b"42",
    "null": b"null",
    "an array": b"[]",
    "empty": b"",
    "deep nesting": b"[" * 100_000,
    "a deep image": b'{"eventID":"e","eventName":"INSERT","dynamodb":' + b'{"NewImage":' * 50_000,
    "no event name": {k: v for k, v in change().items() if k != "eventName"},
    "an unknown event name": change(eventName="UPSERT"),
    "no stream data": change(dynamodb=""),
    "no image": change(stream={"NewImage": ""}),
    "a null image": change(stream={"NewImage": None}),
    "no sequence": change(stream={"SequenceNumber": None}),
    "a sequence of letters": change(stream={"SequenceNumber": "12ab"}),
    "an endless sequence": change(stream={"SequenceNumber": "1" * 41}),
    "a negative change time": change(stream={"ApproximateCreationDateTime": -1}),
    "an absurd change time": change(stream={"ApproximateCreationDateTime": 1e300}),
    "a number as text": change(image={"valueOne": {"S": "123"}}),
    "text as a number": change(image={"name": {"N": "1"}}),
    "an attribute of two types": change(image={"name": {"S": "a", "N": "1"}}),
    "an attribute of no type": change(image={"name": {}}),
    "an attribute that is none": change(image={"name": "plain"}),
    "letters for a number": change(image={"valueOne": {"N": "1_000"}}),
    "a fraction": change(image={"valueOne": {"N": "1.5"}}),
    "not a number": change(image={"valueOne": {"N": "NaN"}}),
    "a number without end": change(image={"valueOne": {"N": "1e999999999"}}),
    "beyond 64 bits": change(image={"valueOne": {"N": "9223372036854775808"}}),
    "below 64 bits": change(image={"valueTwo": {"N": "-9223372036854775809"}}),
    "no time": change(image={"createdAtTime": None}),
    "a time of no value": change(image={"createdAtTime": {"NULL": True}}),
    "a negative time": change(image={"createdAtTime": {"N": "-1"}}),
    "the year 10000": change(image={"createdAtTime": {"N": "253402300800000"}}),
    "no site": change(image={"siteId": None}),
    "an empty site": change(image={"siteId": {"S": ""}}),
    "a site of 1,000 characters": change(image={"siteId": {"S": "x" * 1000}}),
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON.keys())
def test_a_bad_record_fails_alone_with_a_logged_reason(
    poison: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    first, bad, last = answers(batch(change(), poison, change()))
    assert (first["result"], last["result"]) == ("Ok", "Ok")
    assert bad == {"recordId": "1", "result": "ProcessingFailed", "data": ""}
    (log,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert log["recordId"] == "1"
    assert log["reason"]


@pytest.mark.parametrize("data", ["%%%", "YQ", "YQ==\n!", "\N{SNOWMAN}", "YWJj YWJj"])
def test_data_that_is_not_base64_fails_alone(data: str) -> None:
    event = batch(change(), change())
    event["records"][0]["data"] = data
    assert [answer["result"] for answer in answers(event)] == ["ProcessingFailed", "Ok"]


def test_a_logged_reason_holds_no_value_of_the_record(capsys: pytest.CaptureFixture[str]) -> None:
    secret = "hunter2"
    for name in IMAGE:
        only(change(image={name: {"N": secret}}))
        only(change(image={name: {"S": secret, "SS": [secret]}}))
    only(change(eventName=secret))
    only(secret)
    only(change(dynamodb=secret))
    logged = capsys.readouterr().out
    assert logged.count("\n") == 2 * len(IMAGE) + 3
    assert secret not in logged


def test_numbers_are_exact_to_the_digit() -> None:
    image = {"valueOne": {"N": "9007199254740993"}, "valueTwo": {"N": "-9223372036854775808"}}
    line = lake_line(only(change(image=image)))
    assert (line["valueOne"], line["valueTwo"]) == (9007199254740993, -9223372036854775808)


def test_a_whole_number_in_another_spelling_is_exact_too() -> None:
    line = lake_line(only(change(image={"valueOne": {"N": "9007199254740993.0"}})))
    assert line["valueOne"] == 9007199254740993


def test_an_empty_batch_is_answered_empty() -> None:
    assert answers(batch()) == []


def test_ten_thousand_records_are_answered_once_each_in_order() -> None:
    event = batch(*[change()] * 10_000)
    result = answers(event)
    assert [a["recordId"] for a in result] == [r["recordId"] for r in event["records"]]
    assert {a["result"] for a in result} == {"Ok"}


def test_a_record_id_that_comes_twice_with_the_same_data_is_answered_once() -> None:
    event = batch(change(), change())
    event["records"][1]["recordId"] = "0"
    (answer,) = answers(event)
    assert (answer["recordId"], answer["result"]) == ("0", "Ok")


def test_a_record_id_that_comes_twice_with_different_data_fails_rather_than_lose_one() -> None:
    event = batch(change(), change("REMOVE"), change())
    event["records"][1]["recordId"] = "0"
    assert [(a["recordId"], a["result"]) for a in answers(event)] == [
        ("0", "ProcessingFailed"),
        ("2", "Ok"),
    ]


def test_a_change_type_that_is_not_kept_is_dropped() -> None:
    result = answers(batch(change("REMOVE"), change()), change_types=("INSERT", "MODIFY"))
    assert [answer["result"] for answer in result] == ["Dropped", "Ok"]


def test_the_keys_follow_the_configured_layout() -> None:
    answer = only(change(), table=TABLE.with_layout(("year", "siteId")))
    assert answer["metadata"]["partitionKeys"] == {"year": "2023", "siteId": "2"}


def test_the_response_stays_below_the_limit_and_what_does_not_fit_fails() -> None:
    event = batch(*[change(image={"name": {"S": "x" * 20_000}})] * 400)
    response = {"records": answers(event)}
    assert len(json.dumps(response)) <= INVOCATION_BYTES_MAX
    results = [answer["result"] for answer in response["records"]]
    assert len(results) == 400
    assert results[0] == "Ok"
    assert results[-1] == "ProcessingFailed"
    assert len(json.dumps(response)) > INVOCATION_BYTES_MAX - 40_000


def test_a_full_buffer_of_the_smallest_or_the_most_hostile_records_fits_the_response() -> None:
    """The stream hands over 1 MB of records at a time; no record may be refused for room then."""
    hostile = change(image={"siteId": {"S": "\N{GRINNING FACE}" * 21}, "name": {"S": "\x01" * 900}})
    tiny = change(image={"name": None, "valueOne": None, "valueTwo": None}, stream={"Keys": {}})
    for payload in (tiny, hostile, b"1"):
        size = len(payload if isinstance(payload, bytes) else json.dumps(payload).encode())
        count = min(2**20 // size + 1, 30_000)
        response = transformer(TABLE)(batch(*[payload] * count))
        assert len(json.dumps(response)) < INVOCATION_BYTES_MAX
        refused = [a for a in response["records"] if a["result"] != "Ok"]
        assert refused == [] or payload == b"1"


def test_the_deployed_transform_answers_with_ready_json_on_awss_runtime(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = {
        "LAYOUT": "siteId/year",
        "CHANGE_TYPES": "INSERT",
        "UNDECLARED": "keep",
        "AWS_LAMBDA_FUNCTION_NAME": "transform",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delitem(sys.modules, "awslambdaric.lambda_runtime_marshaller", raising=False)
    deployed_transformer.cache_clear()
    dictionary = deployed_transformer()(batch(change()))
    marshaller = import_module("awslambdaric.lambda_runtime_marshaller")
    deployed_transformer.cache_clear()
    response = deployed_transformer()(batch(change()))
    deployed_transformer.cache_clear()
    assert isinstance(dictionary, dict)
    assert isinstance(response, RawJSON)
    assert json.loads(marshaller.to_json(response)) == dictionary
