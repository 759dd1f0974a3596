"""The transform's answers stay what they are, byte for byte, over a fixed set of events.

A digest is replaced only with a change that is meant to alter the lines, the keys or the results.
"""

import json
import random
from base64 import b64encode
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chalicelib.schema import TABLE
from chalicelib.transform import transformer
from checks.benchmarks.events import BatchShape, event, shapes
from local.pipe.template import Template
from tests.checks.attacks.samples import EVENTS, pipe
from tests.declaring import table
from tests.record_types import Everything

GOLDEN: dict[str, str] = json.loads(Path(__file__).with_name("golden_answers.json").read_bytes())

RECORD_OPTIONS: dict[str, dict[str, Any]] = {
    "default": {"table": TABLE},
    "declared fields, few kinds, by month": {
        "table": table(layout=["year", "siteId", "month"], undeclared="drop"),
        "change_types": ["INSERT", "MODIFY"],
    },
}
EVERYTHING_OPTIONS: dict[str, dict[str, Any]] = {
    "every type": {"table": table(Everything, ["siteId"])},
    "every type, declared fields": {"table": table(Everything, ["siteId"], "drop")},
}

NUMBERS = (
    *("0", "-0", "7", "007", "+7", "-12", "1.0", "1.5", "1e3", "1E+3", "1e-3", "9" * 18, "9" * 19),
    *("9" * 38, "-" + "9" * 38 + "E+88", "1E-130", "1E131", "9223372036854775807", "", "x", "٣"),
    *("9223372036854775808", "-9223372036854775808", "-9223372036854775809", "Infinity", "1_0"),
)
TEXTS = ("", "a", "é\u2028\U0001f600", '"\\\n', "a/../b c%é", "1")
BINARIES = ("", "AA==", "/+8=", "AAA", "no base64")
SITES: tuple[Any, ...] = (*TEXTS, "x" * 257)

VALUES: dict[str, tuple[Any, ...]] = {
    "S": TEXTS,
    "N": NUMBERS,
    "B": BINARIES,
    "BOOL": (True, False, None, "true"),
    "NULL": (True, False, None),
    "SS": ([], ["b", "a"], ["a", 1], "a"),
    "NS": ([], ["10", "9", "1e1"], ["1.5", "-2"], ["x"]),
    "BS": ([], ["AA==", "/+8="], ["AAA"]),
    "L": ([], [{"S": "a"}], [{"N": "1.50"}, {"NULL": True}], [{"M": {}}], {}),
    "M": (
        {},
        {"a": {"B": "AA=="}},
        {"street": {"S": "s"}, "floor": {"N": "2"}},
        {"street": {"S": "s"}, "floor": {"NULL": True}, "codes": {"SS": ["b", "a"]}},
        {"street": {"S": "s"}, "new": {"S": "a"}},
        {"home": {"L": [{"M": {"street": {"S": "s"}, "floor": {"N": "1.5"}}}]}},
        {"home": {"L": [{"M": {"street": {"S": "s"}, "floor": {"N": "1"}}}]}},
    ),
}
ATTRIBUTES: tuple[Any, ...] = (
    *({kind: value} for kind, values in VALUES.items() for value in values),
    *({}, {"S": "a", "N": "1"}, {"S": "a", "NULL": True}, None, "a"),
)


def payloads(name: str) -> Iterator[bytes]:
    """The pipe's records of a golden digest."""
    if name in EVERYTHING_OPTIONS:
        yield from map(encoded, images_of_every_type())
    else:
        yield from samples()
        yield from map(encoded, images_of_records())
        yield from damaged(samples())


def samples() -> Iterator[bytes]:
    template = Template(pipe())
    for stream_record in EVENTS:
        yield template.render(stream_record, 0)


def images_of_records() -> Iterator[dict[str, Any]]:
    image = {
        "id": {"S": "123"},
        "siteId": {"S": "2"},
        "createdAtTime": {"N": "1700076551926"},
        "name": {"S": "Name one"},
        "valueOne": {"N": "123"},
        "valueTwo": {"N": "6789"},
    }
    for field in (*image, "other"):
        yield {name: value for name, value in image.items() if name != field}
        for value in ATTRIBUTES:
            yield image | {field: value}
    for site in SITES:
        yield image | {"siteId": {"S": site}}


def images_of_every_type() -> Iterator[dict[str, Any]]:
    image = {"id": {"S": "a"}, "siteId": {"S": "a"}}
    for field in (*Everything.__struct_fields__, "other", "extra"):
        for value in ATTRIBUTES:
            yield image | {field: value}


def encoded(image: dict[str, Any]) -> bytes:
    change = {
        "eventID": "e1",
        "eventName": "MODIFY",
        "dynamodb": {
            "ApproximateCreationDateTime": 1700076552,
            "NewImage": image,
            "SequenceNumber": "4421584500000000017450439091",
        },
        "userIdentity": "",
    }
    return json.dumps(change).encode()


def damaged(originals: Iterable[bytes]) -> Iterator[bytes]:
    """The originals with single bytes replaced, removed or repeated, and cut short."""
    chance = random.Random(0)  # noqa: S311
    for original in originals:
        for _ in range(200):
            place = chance.randrange(len(original))
            byte = bytes([chance.choice(b'"{}[]:,\\0e.-\xffaSN')])
            start, end = original[:place], original[place + 1 :]
            yield from (
                start + byte + end,
                start + end,
                start + byte + original[place:],
            )
        for place in range(0, len(original), 16):
            yield original[:place]


def digest(requests: Iterable[Any], **options: Any) -> str:
    """A digest of the answers to events, as JSON in the order of their members."""
    transform = transformer(**options)
    hashed = sha256()
    for request in requests:
        hashed.update(msgspec.json.encode(transform(request)["records"]))
    return hashed.hexdigest()


def request_of(name: str) -> dict[str, Any]:
    return {
        "records": [
            {"recordId": str(index), "data": b64encode(payload).decode()}
            for index, payload in enumerate(payloads(name))
        ]
    }


@pytest.mark.parametrize("name", RECORD_OPTIONS)
def test_the_answers_to_samples_and_to_damaged_ones_stay(name: str) -> None:
    assert digest([request_of(name)], **RECORD_OPTIONS[name]) == GOLDEN[name]


@pytest.mark.parametrize("name", EVERYTHING_OPTIONS)
def test_the_answers_to_attributes_of_every_type_stay(name: str) -> None:
    options = EVERYTHING_OPTIONS[name]
    assert digest([request_of(name)], **options) == GOLDEN[name]


@pytest.mark.parametrize("shape", shapes(), ids=lambda shape: shape.name)
def test_the_answers_to_the_benchmarks_events_stay(shape: BatchShape) -> None:
    assert digest([json.loads(event(shape)[0])], table=TABLE) == GOLDEN[shape.name]
