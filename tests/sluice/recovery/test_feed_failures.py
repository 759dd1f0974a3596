"""The objects of batches that the feed function gave up, as they may come."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.schema import TABLE as DECLARED
from chalicelib.transform import payload_reader
from sluice.recovery.error_lines import FailedRecord
from sluice.recovery.feed_failures import key_texts, read_failure
from tests.sluice.recovery.failures import STREAM_ARN, change, failure

OURS = re.compile(re.escape(STREAM_ARN))

Break = Callable[[dict[str, Any]], Any]


def read(document: Any) -> list[FailedRecord]:
    return read_failure(json.dumps(document).encode(), OURS)


@pytest.mark.parametrize("as_text", [False, True])
def test_each_change_is_read_as_the_pipe_puts_it(as_text: bool) -> None:
    changes = [change("a", 1), change("b", 2, userIdentity={"type": "Service", "principalId": "x"})]
    first, second = read(failure(changes, as_text=as_text))
    assert first.payload is not None
    assert second.payload is not None
    passed = ("eventID", "eventName", "dynamodb")
    assert json.loads(first.payload) == {
        **{name: changes[0][name] for name in passed},
        "userIdentity": "",
    }
    assert json.loads(second.payload)["userIdentity"] == {"type": "Service", "principalId": "x"}
    assert b"\n" not in first.payload
    assert (first.line, first.code, first.obstacle) == (1, "RetryAttemptsExhausted", None)
    assert first.message == "The feed gave it up after 11 invocations."
    assert first.failed_at == 1767366245678
    assert second.line == 2


def test_the_transform_reads_what_is_read() -> None:
    image = {
        "id": {"S": "123"},
        "siteId": {"S": "2"},
        "createdAtTime": {"N": "1700076551926"},
        "name": {"S": "Name one"},
        "valueOne": {"N": "123"},
        "valueTwo": {"N": "6789"},
    }
    whole = change("123")
    whole["dynamodb"]["NewImage"] = image
    (record,) = read(failure([whole]))
    content = payload_reader(DECLARED)(record.payload or b"")
    assert content is not None
    assert (content[0].siteId, content[1]["siteId"]) == ("2", "2")


def test_a_service_that_is_null_is_nobody() -> None:
    (record,) = read(failure([change("a", userIdentity=None)]))
    assert json.loads(record.payload or b"")["userIdentity"] == ""


def test_a_change_of_another_table_cannot_be_put() -> None:
    ours, other = read(failure([change("a"), change("b", stream_arn=STREAM_ARN + "9")]))
    assert ours.obstacle is None
    assert other.obstacle == "it is a change of another table"


def test_a_change_that_is_too_large_cannot_be_put_unless_its_old_image_is_why() -> None:
    large, both = change("a"), change("b", 2, eventName="MODIFY")
    large["dynamodb"]["NewImage"]["text"] = {"S": "x" * 1_100_000}
    for image in ("NewImage", "OldImage"):
        both["dynamodb"][image] = {"id": {"S": "b"}, "text": {"S": "x" * 600_000}}
    first, second = read(failure([large, both]))
    assert (first.obstacle or "").endswith(" bytes; Firehose takes 1024000")
    assert second.obstacle is None
    assert json.loads(second.payload or b"")["dynamodb"].keys() >= {"Keys", "NewImage"}
    assert b"OldImage" not in (second.payload or b"")


@pytest.mark.parametrize(
    "change_record",
    [
        lambda record: record.pop("eventID"),
        lambda record: record.update(eventName=7),
        lambda record: record.update(dynamodb=None),
        lambda record: record.pop("eventSourceARN"),
        lambda record: record.update(eventName='IN"SERT'),
    ],
)
@pytest.mark.parametrize("as_text", [False, True])
def test_what_is_no_change_harms_no_neighbour(change_record: Break, as_text: bool) -> None:
    broken = change("b", 2)
    change_record(broken)
    first, second, third = read(failure([change("a"), broken, change("c", 3)], as_text=as_text))
    assert (second.line, second.code) == (2, "RetryAttemptsExhausted")
    assert (second.obstacle or "").startswith("it is not a change of a table (")
    assert (first.obstacle, third.obstacle) == (None, None)


@pytest.mark.parametrize("as_text", [False, True])
def test_a_change_with_a_lone_surrogate_harms_no_neighbour(as_text: bool) -> None:
    broken = change("b", 2)
    broken["dynamodb"]["NewImage"]["name"] = {"S": "\ud800"}
    first, second = read(failure([change("a"), broken], as_text=as_text))
    assert second.obstacle == "it has text that cannot be encoded in UTF-8"
    assert first.obstacle is None


@pytest.mark.parametrize(
    "payload",
    [
        None,
        "",
        "<Whole Event>",
        "[]",
        [],
        {},
        {"Records": None},
        {"Records": []},
        '{"Records": []}',
        {"records": []},
        7,
    ],
)
def test_a_payload_that_is_no_batch_is_refused(payload: Any) -> None:
    with pytest.raises(ValueError, match="it is not a batch that the feed gave up"):
        read(failure([], payload=payload))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b'{"requestPayload": {}, "responsePayload": {}}',
        json.dumps(failure([change("a")])).encode()[:-20],
        b"[" * 100_000,
        b'{"payload": ' + b"[" * 100_000,
    ],
)
def test_an_object_that_is_no_failure_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="it is not a batch that the feed gave up"):
        read_failure(body, OURS)


@pytest.mark.parametrize(
    "fields",
    [
        {"requestContext": None, "timestamp": None},
        {"requestContext": [], "timestamp": "never"},
        {"requestContext": {"condition": None, "approximateInvokeCount": "x"}, "timestamp": {}},
    ],
)
def test_a_batch_whose_circumstances_are_unknown_is_read(fields: dict[str, Any]) -> None:
    (record,) = read(failure([change("a")], **fields))
    assert (record.code, record.message) == ("unnamed", "The feed gave it up.")
    assert (record.failed_at, record.obstacle) == (None, None)


def test_a_key_is_named_where_the_change_has_one() -> None:
    (record,) = read(failure([change("a")]))
    assert key_texts(DECLARED, record.payload or b"") == ("a",)
    others: list[dict[str, Any]] = [{}, {"id": {"N": "1"}}, {"id": {}}, {"other": {"S": "a"}}]
    for keys in others:
        broken = change("a")
        broken["dynamodb"]["Keys"] = keys
        (record,) = read(failure([broken]))
        assert key_texts(DECLARED, record.payload or b"") is None
