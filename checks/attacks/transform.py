"""The transform, whatever Firehose hands it.

Promise: every recordId is answered once and in order, with Ok, Dropped or ProcessingFailed; an Ok
line is one JSON object on one line, its keys name one folder; neighbours change no answer; the
response stays under Lambda's limit; no payload is logged. Where a plain reading of the record
(`checks.attacks.reading`) succeeds, the answer says exactly the same.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from itertools import count
from typing import Any
from urllib.parse import unquote

from chalicelib.change import CHANGE_TYPES
from chalicelib.limits import INVOCATION_BYTES_MAX, PREFIX_LENGTH_MAX
from chalicelib.partitions import path
from chalicelib.transform import transformer
from checks.attacks.choices import Choices, is_rare
from checks.attacks.promise import expect
from checks.attacks.reading import keys_of, read, strict_json
from checks.attacks.samples import EVENTS, MARK, pipe
from local.pipe.template import Template

Transform = Callable[[Mapping[str, Any]], dict[str, list[dict[str, Any]]]]

INFLATED = b'\\"' * 128 * 1024
"""What stands for the seeds' mark in a large event: quotes, which grow when they are encoded."""

COMPOSED, NARROW, REPEATED = 1, 2, 4
"""What the bits of an input's first byte ask for."""

LARGE_ONE_IN = 1000
"""One input in so many becomes as large an event as Lambda takes."""

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


def seeds() -> Iterator[bytes]:
    """The pipe's own records: one alone, all at once, and decisions to compose others."""
    render = Template(pipe()).render
    payloads = [render(event, 1700076552.0) for event in EVENTS]
    for payload in payloads:
        yield b"\0" + payload
    yield bytes([REPEATED]) + b"\0".join([*payloads, *payloads])
    yield bytes([NARROW]) + b"\0".join(payloads)
    yield next(filter(_is_large, (b"\0%b\0%d" % (payloads[4], n) for n in count())))
    yield bytes([COMPOSED]) + bytes(range(1, 200))
    yield bytes([COMPOSED | NARROW]) + bytes(range(200, 0, -1))


@cache
def _deployed(change_types: tuple[str, ...], keep_undeclared: bool) -> Transform:
    return transformer(change_types=change_types, keep_undeclared=keep_undeclared)


def attack(data: bytes, build: Callable[[tuple[str, ...], bool], Transform] = _deployed) -> None:
    """Transform one event, made of these bytes. `build` makes the transform under attack."""
    form = data[0] if data else 0
    narrow = bool(form & NARROW)
    types = NARROW_TYPES if narrow else CHANGE_TYPES
    transform = build(types, not narrow)
    records = _records(data)
    answers = _answers(transform, records)
    ids = list(dict.fromkeys(record["recordId"] for record in records))
    expect([each["recordId"] for each in answers] == ids, "each recordId once, in order")
    versions: dict[str, set[str]] = {}
    for record in records:
        versions.setdefault(record["recordId"], set()).add(record["data"])
    alone = []
    for answer in answers:
        if len(versions[answer["recordId"]]) > 1:
            expect(answer["result"] == "ProcessingFailed", "no choice between two data of one id")
            alone.append(answer)
            continue
        (text,) = versions[answer["recordId"]]
        (only,) = _answers(transform, [{"recordId": answer["recordId"], "data": text}])
        _check(only, text, types, keep_undeclared=not narrow)
        alone.append(only)
    if _size(alone) <= INVOCATION_BYTES_MAX:
        expect(answers == alone, "an answer is the same whatever its neighbours")
    else:
        for answer, only in zip(answers, alone, strict=True):
            expect(
                answer == only or answer["result"] == "ProcessingFailed",
                "a record without room is ProcessingFailed",
            )


def _is_large(data: bytes) -> bool:
    return is_rare(data, LARGE_ONE_IN)


def _records(data: bytes) -> list[dict[str, str]]:
    """The event's records. A part that begins with `!` is no base64, all others are payloads."""
    form = data[0] if data else 0
    parts = list(_composed(Choices(data[1:]))) if form & COMPOSED else data[1:].split(b"\0")
    if _is_large(data):
        parts = [part.replace(MARK.encode(), INFLATED) for part in parts] * 20
    records = []
    room = INVOCATION_BYTES_MAX
    for index, part in enumerate(parts):
        text = part[1:].decode("latin-1") if part[:1] == b"!" else b64encode(part).decode("ascii")
        room -= len(text) + 200
        if room < 0:
            break
        records.append({"recordId": str(index % 3 if form & REPEATED else index), "data": text})
    return records


def _composed(choices: Choices) -> Iterator[bytes]:
    for _ in range(1 + choices.below(4)):
        change = {
            "eventID": "1",
            "eventName": choices.pick((*CHANGE_TYPES, "SNAPSHOT", "")),
            "dynamodb": {
                "ApproximateCreationDateTime": choices.pick((1700076551, 0.0005, -1, 1e12)),
                "SequenceNumber": choices.pick(("1", "9" * 40, "9" * 41, "", "٣", "-1")),
                "NewImage": _image(choices),
                "OldImage": _image(choices),
            },
            "userIdentity": choices.pick(("", {"principalId": "dynamodb.amazonaws.com"}, {}, None)),
        }
        if choices.below(8) == 1:
            change = change | choices.members((*change, "extra"))
        yield json.dumps(change, ensure_ascii=choices.flag()).encode()


def _image(choices: Choices) -> dict[str, Any]:
    image: dict[str, Any] = EVENTS[0]["dynamodb"]["NewImage"]
    return image | {choices.pick(_NAMES): _attribute(choices) for _ in range(choices.below(4))}


def _attribute(choices: Choices, depth: int = 3) -> Any:
    match choices.below(8 if depth else 4):
        case 0 | 1:
            return {"S": choices.text()}
        case 2:
            return {"N": choices.pick(_NUMBERS)}
        case 3:
            return {"NULL": True}
        case 4:
            return {"L": [_attribute(choices, depth - 1) for _ in range(choices.below(3))]}
        case 5:
            return {"M": {choices.text(): _attribute(choices, depth - 1)}}
        case 6:
            return {"S": choices.text(), "N": "1"}
    return choices.json(("S", "N", "NULL", "L", "M"), depth - 1)


def _answers(transform: Transform, records: list[dict[str, str]]) -> list[dict[str, Any]]:
    """The transform's answers, once what it logged and their size are looked at."""
    with redirect_stdout(StringIO()) as output:
        response = transform({"records": records})
    expect(response.keys() == {"records"}, "a response is an object with records")
    answers: list[dict[str, Any]] = response["records"]
    expect(_size(answers) <= INVOCATION_BYTES_MAX, "the response fits into Lambda's limit")
    log = output.getvalue()
    expect(MARK not in log, "no payload is logged")
    told = [json.loads(line)["recordId"] for line in log.splitlines()]
    failed = [each["recordId"] for each in answers if each["result"] == "ProcessingFailed"]
    expect(set(told) == set(failed), "each failed record, and no other, is logged")
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
        expect(
            answer == {"recordId": answer["recordId"], "result": answer["result"], "data": ""}
            and answer["result"] in ("Dropped", "ProcessingFailed"),
            "what is not Ok is Dropped or ProcessingFailed, without data",
        )
        if expected:
            dropped = expected["changeType"] not in (*types, "SNAPSHOT")
            expect(answer["result"] == "Dropped" and dropped, "a good record is not refused")
        return
    written = b64decode(answer["data"], validate=True)
    expect(written.endswith(b"\n") and written.count(b"\n") == 1, "a line has one newline, its end")
    line = strict_json(written)
    expect(isinstance(line, dict), "a line is a JSON object")
    expect(line["changeType"] in (*types, "SNAPSHOT"), "a type that is not kept is dropped")
    if expected:
        # As text: 1, 1.0 and true are equal as Python's values.
        expect(_text(line) == _text(expected), "the line says what the record says")
    keys = answer["metadata"]["partitionKeys"]
    expect(keys == keys_of(line), "the keys say what the line says")
    prefix = path(keys)
    expect(all(keys.values()) and len(prefix) <= PREFIX_LENGTH_MAX, "each key names a folder")
    expect(prefix.count("/") == 1 + len(keys), "no value adds a level to the path")
    expect(unquote(keys["siteId"]) == line["siteId"], "the site's name can be read off its folder")


def _text(line: dict[str, Any]) -> str:
    extra = json.loads(line["extra"]) if "extra" in line else None
    return json.dumps([line | {"extra": None}, extra], sort_keys=True)
