"""The transform, whatever Firehose hands it.

Promise: every recordId is answered once and in order, with Ok, Dropped or ProcessingFailed; an Ok
line is one JSON object on one line, its keys name one folder; neighbours change no answer; the
response stays under Lambda's limit; no payload is logged. Where a plain reading of the record
(`checks.attacks.reading`) succeeds, the answer says exactly the same.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.change import CHANGE_TYPES, TTL_PRINCIPAL
from chalicelib.limits import INVOCATION_BYTES_MAX, PREFIX_LENGTH_MAX
from chalicelib.logs import log
from chalicelib.partitions import path
from chalicelib.schema import TABLE
from chalicelib.transform import transformer
from local.pipe.template import Template
from tests.checks.attacks.reading import keys_of, read, strict_json
from tests.checks.attacks.running import LARGE, SUITE, search
from tests.checks.attacks.samples import EVENTS, MARK, pipe
from tests.checks.attacks.strategies import TEXTS, objects, pairs, spelt, spliced, values
from tests.declaring import table

Transform = Callable[[Mapping[str, Any]], dict[str, list[dict[str, Any]]]]

INFLATED = b'\\"' * 128 * 1024
"""What stands for the samples' mark in a large event: quotes, which grow when they are encoded."""

NARROW_TYPES = ("INSERT", "MODIFY")

TOKENS = tuple(
    token.encode()
    for token in (
        *("eventID", "eventName", "dynamodb", "userIdentity", "principalId", "SNAPSHOT", "REMOVE"),
        *("NewImage", "OldImage", "SequenceNumber", "ApproximateCreationDateTime"),
        *("siteId", "createdAtTime", "valueOne", "extra", "expired", "dynamodb.amazonaws.com"),
        *('{"S":"', '{"N":"', '{"NULL":true}', '{"L":[', '{"M":{', '{"B":"', '{"NS":["'),
        *("\\u0000", "\\ud83d\\ude00", "1E2", "-0", "1e999", "\\n", "\\\\", "\0"),
    )
)

_NAMES = ("id", "siteId", "createdAtTime", "name", "valueOne", "valueTwo", "other", "extra", "S")
_NUMBERS = ("0", "1700076551926", "-1", "1E2", "1.0", "0.5", "-0", "9" * 38, "1e-130", "01", "NaN")

RENDERED = tuple(Template(pipe()).render(event, 1700076552.0) for event in EVENTS)


def attributes(depth: int = 3) -> st.SearchStrategy[Any]:
    """DynamoDB's attribute values, and what nearly is one."""
    scalars = (
        pairs(st.just("S"), TEXTS)
        | pairs(st.just("N"), st.sampled_from(_NUMBERS) | st.integers().map(str))
        | st.just({"NULL": True})
    )
    if not depth:
        return scalars
    inner = attributes(depth - 1)
    return (
        scalars
        | pairs(st.just("L"), st.lists(inner, max_size=3))
        | pairs(st.just("M"), pairs(TEXTS, inner))
        | TEXTS.map(lambda text: {"S": text, "N": "1"})
        | values(("S", "N", "NULL", "L", "M"), 1)
    )


def _image(changed: list[tuple[str, Any]]) -> dict[str, Any]:
    image: dict[str, Any] = EVENTS[0]["dynamodb"]["NewImage"]
    return image | dict(changed)


IMAGES = st.lists(st.tuples(st.sampled_from(_NAMES) | TEXTS, attributes()), max_size=4).map(_image)
# A change is mostly good in these, so that its image is read.
TIMES = (1700076551,) * 6 + (0.0005, -1, 1e12)
SEQUENCES = ("1",) * 8 + ("9" * 40, "9" * 41, "", "٣", "-1")
CHANGES = st.fixed_dictionaries(
    {
        "eventID": st.just("1"),
        "eventName": st.sampled_from((*CHANGE_TYPES, "SNAPSHOT", "")),
        "dynamodb": st.fixed_dictionaries(
            {
                "ApproximateCreationDateTime": st.sampled_from(TIMES),
                "SequenceNumber": st.sampled_from(SEQUENCES),
                "NewImage": IMAGES,
                "OldImage": IMAGES,
            }
        ),
        "userIdentity": st.sampled_from(("", {"principalId": TTL_PRINCIPAL}, {}, None, [])),
    }
)
ODD_CHANGES = st.builds(
    lambda change, more: change | more,
    CHANGES,
    objects(("eventID", "eventName", "dynamodb", "userIdentity", "extra"), 2),
)


def _written(change: Any, is_ascii: bool) -> bytes:
    return json.dumps(change, ensure_ascii=is_ascii).encode(errors="surrogatepass")


WRITTEN = st.builds(_written, CHANGES | CHANGES | ODD_CHANGES, st.booleans())
FINISHED = tuple(
    b64decode(
        transformer(TABLE)({"records": [{"recordId": "1", "data": b64encode(rendered).decode()}]})[
            "records"
        ][0]["data"]
    )
    for rendered in RENDERED[:-1]
)
"""The lines of the events that can be read."""
SPLICED = spliced(st.sampled_from(RENDERED + FINISHED) | WRITTEN, TOKENS)
PAYLOADS = (
    st.sampled_from(RENDERED + FINISHED)
    | WRITTEN
    | SPLICED
    | spelt(TOKENS)
    | st.binary(max_size=40)
)
LARGE_PAYLOADS = st.sampled_from(RENDERED) | PAYLOADS
DATA = PAYLOADS.map(lambda payload: b64encode(payload).decode("ascii")) | st.text(max_size=40)


@cache
def _deployed(change_types: tuple[str, ...], keep_undeclared: bool) -> Transform:
    return transformer(table(undeclared="keep" if keep_undeclared else "drop"), change_types)


def properties(
    build: Callable[[tuple[str, ...], bool], Transform] = _deployed,
) -> tuple[Any, ...]:
    """The promise. `build` makes the transform under attack."""

    @given(st.lists(DATA, max_size=4), st.booleans(), st.booleans())
    def any_event(data: list[str], narrow: bool, repeated: bool) -> None:
        _attack(build, data, narrow, repeated)

    @given(st.lists(LARGE_PAYLOADS, min_size=1, max_size=4), st.booleans(), st.booleans())
    def large_event(payloads: list[bytes], narrow: bool, repeated: bool) -> None:
        inflated = [payload.replace(MARK.encode(), INFLATED) for payload in payloads]
        _attack(
            build, [b64encode(each).decode("ascii") for each in inflated] * 20, narrow, repeated
        )

    return any_event, large_event


def _attack(
    build: Callable[[tuple[str, ...], bool], Transform],
    data: Sequence[str],
    narrow: bool,
    repeated: bool,
) -> None:
    """Transform one event of records with this data, which may repeat their ids."""
    types = NARROW_TYPES if narrow else CHANGE_TYPES
    transform = build(types, not narrow)
    versions: dict[str, set[str]] = {}
    records = []
    room = INVOCATION_BYTES_MAX
    for index, text in enumerate(data):
        room -= len(text) + 200
        if room < 0:
            break
        record_id = str(index % 3 if repeated else index)
        versions.setdefault(record_id, set()).add(text)
        records.append({"recordId": record_id, "data": text})
    answers = _answers(transform, records)
    assert [each["recordId"] for each in answers] == [*versions], "each recordId once, in order"
    alone = []
    for answer in answers:
        first, *others = versions[answer["recordId"]]
        if others:
            assert answer["result"] == "ProcessingFailed", "no choice between two data of one id"
            alone.append(answer)
            continue
        (only,) = _answers(transform, [{"recordId": answer["recordId"], "data": first}])
        _check(only, first, types, keep_undeclared=not narrow)
        if only["result"] == "Ok":
            (again,) = _answers(transform, [{"recordId": only["recordId"], "data": only["data"]}])
            assert again == only, "a finished line stays as it is"
        alone.append(only)
    if _size(alone) <= INVOCATION_BYTES_MAX:
        assert answers == alone, "an answer is the same whatever its neighbours"
    else:
        for answer, only in zip(answers, alone, strict=True):
            assert answer == only or answer["result"] == "ProcessingFailed", (
                "a record without room is ProcessingFailed"
            )


def _answers(transform: Transform, records: list[dict[str, str]]) -> list[dict[str, Any]]:
    """The transform's answers, once what it logged and their size are looked at."""
    with redirect_stdout(StringIO()) as output:
        response = transform({"records": records})
    assert response.keys() == {"records"}, "a response is an object with records"
    answers: list[dict[str, Any]] = response["records"]
    assert _size(answers) <= INVOCATION_BYTES_MAX, "the response fits into Lambda's limit"
    log = output.getvalue()
    assert MARK not in log, "no payload is logged"
    told = [json.loads(line)["recordId"] for line in log.splitlines()]
    failed = [each["recordId"] for each in answers if each["result"] == "ProcessingFailed"]
    assert set(told) == set(failed), "each failed record, and no other, is logged"
    return answers


def _size(answers: list[dict[str, Any]]) -> int:
    return len(json.dumps({"records": answers}))


def _check(
    answer: dict[str, Any], text: str, types: tuple[str, ...], *, keep_undeclared: bool
) -> None:
    try:
        payload = b64decode(text, validate=True)
        # Firehose sends no other spelling, such as surplus padding; it may be refused.
        usual = b64encode(payload).decode("ascii") == text
        expected = read(payload, keep_undeclared=keep_undeclared) if usual else None
    except ValueError:
        expected = None
    if answer["result"] != "Ok":
        assert answer["result"] in ("Dropped", "ProcessingFailed"), "there is no fourth result"
        assert answer.keys() == {"recordId", "result", "data"}, "what is not Ok has no keys"
        assert answer["data"] == "", "what is not Ok has no data"
        if expected:
            assert answer["result"] == "Dropped", "a good record is not refused"
            assert expected["changeType"] not in (*types, "SNAPSHOT"), "a type to keep is kept"
        return
    written = b64decode(answer["data"], validate=True)
    assert written.find(b"\n") == len(written) - 1, "a line has one newline, its end"
    line = strict_json(written)
    assert isinstance(line, dict), "a line is a JSON object"
    assert line["changeType"] in (*types, "SNAPSHOT"), "a type that is not kept is dropped"
    if expected:
        # As text: 1, 1.0 and true are equal as Python's values.
        assert _text(line) == _text(expected), "the line says what the record says"
    keys = answer["metadata"]["partitionKeys"]
    assert keys == keys_of(line), "the keys say what the line says"
    prefix = path(keys)
    assert all(keys.values()), "each key names a folder"
    assert len(prefix) <= PREFIX_LENGTH_MAX, "the prefix is as short as Firehose takes it"
    assert prefix.count("/") == 1 + len(keys), "no value adds a level to the path"
    assert unquote(keys["siteId"]) == line["siteId"], "the site's name can be read off its folder"


def _text(line: dict[str, Any]) -> str:
    extra = json.loads(line["extra"]) if "extra" in line else None
    return json.dumps([line | {"extra": None}, extra], sort_keys=True)


any_event, large_event = properties()
test_any_event_is_answered_as_promised = SUITE(any_event)
test_as_large_an_event_as_lambda_passes_is_answered_as_promised = LARGE(large_event)


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


def forgetting_its_lines(good: Transform, event: Mapping[str, Any]) -> Answers:
    for record, answer in zip(event["records"], good(event)["records"], strict=True):
        failed = {"recordId": answer["recordId"], "result": "ProcessingFailed", "data": ""}
        if answer["result"] == "Ok" and record["data"] == answer["data"]:
            log("WARN", "forgotten", recordId=answer["recordId"])
            yield failed
        else:
            yield answer


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
        (forgetting_its_lines, "a finished line stays as it is"),
    ],
)
def test_a_fault_in_the_transform_is_found(broken: Callable[..., Answers], promise: str) -> None:
    def build(types: tuple[str, ...], keep_undeclared: bool) -> Transform:
        good = transformer(table(undeclared="keep" if keep_undeclared else "drop"), types)
        return lambda event: {"records": list(broken(good, event))}

    with pytest.raises(AssertionError, match=promise):
        search(properties(build))


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
