import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.logs import log
from chalicelib.transform import transformer
from checks.attacks.reading import read, strict_json
from checks.attacks.samples import EVENTS, MARK
from checks.attacks.transform import COMPOSED, NARROW, REPEATED, Transform, attack, seeds
from tests.attribute_values import attribute_values, numbers, texts

NAMES = st.sampled_from(["id", "siteId", "createdAtTime", "name", "valueOne", "valueTwo", "other"])
FORMS = st.sampled_from([0, NARROW, REPEATED, NARROW | REPEATED])


def jsonable(value: Any) -> Any:
    """An attribute value with its bytes in base64, as the pipe hands it over."""
    if isinstance(value, dict):
        return {name: jsonable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [jsonable(each) for each in value]
    return b64encode(value).decode() if isinstance(value, bytes) else value


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    event = draw(st.sampled_from(EVENTS))
    images = {
        name: image
        | jsonable(
            draw(
                st.dictionaries(
                    NAMES | texts,
                    attribute_values
                    | st.fixed_dictionaries({"N": numbers()})
                    | st.fixed_dictionaries({"S": texts}),
                    max_size=4,
                )
            )
        )
        for name, image in event["dynamodb"].items()
        if name in ("NewImage", "OldImage")
    }
    change = {"userIdentity": "", **event, "dynamodb": event["dynamodb"] | images}
    return json.dumps(change, ensure_ascii=draw(st.booleans())).encode().replace(b"\0", b"")


@settings(max_examples=150, deadline=None)
@given(FORMS, st.lists(payloads() | st.binary(max_size=40), max_size=4))
def test_the_transform_keeps_its_promise(form: int, parts: list[bytes]) -> None:
    attack(bytes([form]) + b"\0".join(parts))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([COMPOSED, COMPOSED | NARROW, COMPOSED | REPEATED]), st.binary(max_size=200))
def test_the_transform_keeps_its_promise_for_composed_changes(form: int, data: bytes) -> None:
    attack(bytes([form]) + data)


def test_each_seed_can_be_tried() -> None:
    for seed in seeds():
        attack(seed)


def attack_all(broken: Callable[[Transform, Mapping[str, Any]], Any]) -> None:
    def build(types: tuple[str, ...], keep_undeclared: bool) -> Transform:
        good = transformer(change_types=types, keep_undeclared=keep_undeclared)
        return lambda event: {"records": list(broken(good, event))}

    for seed in seeds():
        attack(seed, build)


Answers = Iterator[dict[str, Any]]


def unlimited(good: Transform, event: Mapping[str, Any]) -> Answers:
    by_id = {record["recordId"]: record for record in event["records"]}
    if len(by_id) < len(event["records"]):
        yield from good(event)["records"]
        return
    for record in by_id.values():
        yield from good({"records": [record]})["records"]


def backwards(good: Transform, event: Mapping[str, Any]) -> Answers:
    return reversed(good(event)["records"])


def forgetful(good: Transform, event: Mapping[str, Any]) -> Answers:
    return iter(good(event)["records"][:-1])


def neighbourly(good: Transform, event: Mapping[str, Any]) -> Answers:
    answers = good(event)["records"]
    if any(each["result"] == "ProcessingFailed" for each in answers):
        answers = [
            {"recordId": each["recordId"], "result": "Dropped", "data": ""}
            if each["result"] == "Ok"
            else each
            for each in answers
        ]
    return iter(answers)


def talkative(good: Transform, event: Mapping[str, Any]) -> Answers:
    for record in event["records"]:
        if record["data"].isascii() and MARK.encode() in b64decode(record["data"] + "=="):
            log("WARN", MARK, recordId=record["recordId"])
    return iter(good(event)["records"])


def evasive(good: Transform, event: Mapping[str, Any]) -> Answers:
    for answer in good(event)["records"]:
        dropped = answer["result"] == "ProcessingFailed"
        yield answer | {"result": "Dropped"} if dropped else answer


def in_lines(change: Callable[[dict[str, Any]], object]) -> Callable[..., Answers]:
    def broken(good: Transform, event: Mapping[str, Any]) -> Answers:
        for answer in good(event)["records"]:
            if answer["result"] == "Ok":
                line = json.loads(b64decode(answer["data"]))
                change(line)
                written = b64encode(json.dumps(line).encode() + b"\n").decode()
                yield answer | {"data": written}
            else:
                yield answer

    return broken


def in_keys(**keys: str) -> Callable[..., Answers]:
    def broken(good: Transform, event: Mapping[str, Any]) -> Answers:
        for answer in good(event)["records"]:
            if answer["result"] == "Ok":
                found = answer["metadata"]["partitionKeys"]
                yield answer | {"metadata": {"partitionKeys": found | keys}}
            else:
                yield answer

    return broken


def two_lines(good: Transform, event: Mapping[str, Any]) -> Answers:
    for answer in good(event)["records"]:
        yield answer | {"data": b64encode(b64decode(answer["data"]) * 2).decode()}


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (backwards, "each recordId once, in order"),
        (forgetful, "each recordId once, in order"),
        (neighbourly, "same whatever its neighbours"),
        (unlimited, "fits into Lambda's limit"),
        (talkative, "no payload is logged"),
        (evasive, "is logged"),
        (two_lines, "a line has one newline"),
        (in_lines(lambda line: line.update(valueOne=124)), "says what the record says"),
        (in_lines(lambda line: line.update(createdAtTime="1700076551926")), "says what"),
        (in_lines(lambda line: line.pop("extra", "")), "says what the record says"),
        (in_lines(lambda line: line.pop("expired", "")), "says what the record says"),
        (in_keys(siteId="a/b"), "the keys say what the line says"),
        (in_keys(hour="00"), "the keys say what the line says"),
        (in_keys(more="x"), "the keys say what the line says"),
    ],
)
def test_a_fault_in_the_transform_is_found_among_the_seeds(
    broken: Callable[..., Answers], promise: str
) -> None:
    with pytest.raises(AssertionError, match=promise):
        attack_all(broken)


@pytest.mark.parametrize(
    "text", [b"NaN", b'{"a": 1, "a": 2}', b'"\\ud800"', b"\xff", b"{", b'"' + b"\xff" + b'"']
)
def test_the_second_reading_takes_strict_json_alone(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of whatever kind
        strict_json(text)


def test_the_second_reading_refuses_what_dynamodb_cannot_have_written() -> None:
    change = {**EVENTS[0], "userIdentity": ""}
    assert read(json.dumps(change).encode(), keep_undeclared=True) is not None
    for broken in ({"S": "x", "N": "1"}, {"N": "NaN"}, {"N": "0.5"}, {"N": "1" * 30}, "1", {}):
        image = change["dynamodb"]["NewImage"] | {"valueOne": broken}
        stream = change["dynamodb"] | {"NewImage": image}
        text = json.dumps(change | {"dynamodb": stream}).encode()
        assert read(text, keep_undeclared=True) is None
