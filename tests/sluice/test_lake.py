"""Objects of the lake back into lines, from JSON and from Parquet alike."""

import gzip
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from decimal import Decimal
from io import BytesIO
from typing import Any

import msgspec
import pytest
from botocore.exceptions import IncompleteReadError
from botocore.response import StreamingBody
from msgspec import Struct

from chalicelib.catalog import columns
from chalicelib.change import INPUT_TEMPLATE
from chalicelib.declaration import Int64
from chalicelib.schema import Record
from chalicelib.transform import transformer
from local.firehose.conversion import Conversion, Parquet, column
from local.firehose.errors import CatalogTable
from sluice.erasure.changes import Keys
from sluice.erasure.places import Reader
from sluice.items import read_line
from sluice.lake import (
    PIECE_BYTES,
    lines,
    lines_of_parquet,
    objects,
    partitions,
    read_body,
    read_objects,
    read_pieces,
    unzip,
)
from sluice.stack import Stack
from tests.declaring import change, delivered, items_of, table
from tests.sluice.conftest import StackOf

CHANGE = {
    "eventID": "e",
    "eventName": "INSERT",
    "dynamodb": {"ApproximateCreationDateTime": 1, "SequenceNumber": "1"},
    "userIdentity": "",
}
RECORD = {
    "id": {"S": 'quote " and \n'},
    "siteId": {"S": "2"},
    "createdAtTime": {"N": "1700076551926"},
    "name": {"S": "17"},
    "valueOne": {"N": "9007199254740993"},
    "valueTwo": {"N": "-9223372036854775808"},
}
LAYOUT = ["siteId"]


class Exact(Struct):
    """A record whose fields no column of 64 bits holds."""

    siteId: str
    price: Decimal
    whole: int
    prices: list[Decimal]
    named: dict[str, Int64]
    data: bytes
    perhaps: str | None


EXACT = {
    "siteId": {"S": "2"},
    "price": {"N": "1234567890123456789.0123456789012345678"},
    "whole": {"N": "99999999999999999999999999999999999999"},
    "prices": {"L": [{"N": "0.1"}, {"N": "1E-130"}]},
    "named": {"M": {"a": {"N": "9007199254740993"}}},
    "data": {"B": "AAE="},
    "perhaps": {"S": "12"},
}


def transformed(image: dict[str, Any], record_type: type[Struct]) -> bytes:
    """The line of a change, as the transform writes it."""
    change = {**CHANGE, "dynamodb": {**CHANGE["dynamodb"], "NewImage": image}}  # type: ignore[dict-item]
    assert all(f"<$.{key}>" in INPUT_TEMPLATE for key in change)
    data = b64encode(json.dumps(change).encode()).decode()
    transform = transformer(table(record_type))
    (answer,) = transform({"records": [{"recordId": "r", "data": data}]})["records"]
    assert answer["result"] == "Ok"
    return b64decode(answer["data"])


def converted(line: bytes, record_type: type[Struct]) -> bytes:
    """The Parquet object of a line, by the columns of the catalog."""
    found = tuple(column(each.name, each.key, each.type) for each in columns(table(record_type)))
    parquet = Parquet(Conversion(CatalogTable("", "", "", "", ""), found))
    assert parquet.refusal(line) is None
    return parquet.body([line])


@pytest.mark.parametrize(("image", "record_type"), [(RECORD, Record), (EXACT, Exact)])
def test_a_line_comes_back_from_parquet_to_the_byte(
    image: dict[str, Any], record_type: type[Struct]
) -> None:
    body = converted(transformed(image, record_type), record_type)
    (line,) = lines_of_parquet(body, table(record_type))
    assert line + b"\n" == transformed(image, record_type)


@pytest.mark.parametrize("name", ["shop", "blobs", "meters", "amplify"])
def test_every_kind_of_line_is_read_the_same_from_json_and_from_parquet(
    stack_of: StackOf, name: str
) -> None:
    stack = stack_of(name)
    changes = [change(item, number) for number, item in enumerate(items_of(stack.table, 20), 1)]
    found = tuple(column(each.name, each.key, each.type) for each in columns(stack.table))
    parquet = Parquet(Conversion(CatalogTable("", "", "", "", ""), found))
    for number, (folder, line) in enumerate(delivered(stack.table, changes)):
        for key, body in (("json", line), ("parquet", parquet.body([line]))):
            stack.s3.put_object(Bucket=stack.bucket, Key=f"{folder}{number}.{key}", Body=body)
        from_json, from_parquet = (
            map(read_line, lines(stack, f"{folder}{number}.{key}")) for key in ("json", "parquet")
        )
        assert list(from_parquet) == [
            {name: value for name, value in each.items() if value is not None} for each in from_json
        ]
    problems: list[str] = []
    assert sum(each.records for each in partitions(stack, problems)) == 40
    assert problems == []


def test_a_line_without_a_part_of_the_key_is_not_of_this_lake(stack_of: StackOf) -> None:
    stack = stack_of("meters")
    ((folder, line),) = delivered(stack.table, [change(items_of(stack.table, 1)[0], 1)])
    torn = {name: value for name, value in read_line(line).items() if name != "ts"}
    for key, each in (("a", torn), ("b", {**torn, "ts": "17"}), ("c", {**torn, "ts": True})):
        body = msgspec.json.encode(each)
        stack.s3.put_object(Bucket=stack.bucket, Key=f"{folder}{key}", Body=body)
    problems: list[str] = []
    assert sum(each.records for each in partitions(stack, problems)) == 1
    assert [problem.partition("lake ")[2] for problem in problems] == [
        "(Object missing required field `ts`)",
        "(Expected `int | str`, got `bool` - at `$.ts`)",
    ]


def test_what_no_column_holds_exactly_is_in_the_line_as_the_text_of_its_json() -> None:
    line = json.loads(transformed(EXACT, Exact))
    assert {name: line[name] for name in ("price", "whole", "prices", "named")} == {
        "price": "1234567890123456789.0123456789012345678",
        "whole": "99999999999999999999999999999999999999",
        "prices": "[0.1,1E-130]",
        "named": '{"a":9007199254740993}',
    }
    assert (line["data"], line["perhaps"]) == ("AAE=", "12")


def test_an_attribute_that_is_null_is_null_in_parquet() -> None:
    image = {**EXACT, "price": {"NULL": True}, "perhaps": {"NULL": True}}
    body = converted(transformed(image, Exact), Exact)
    (line,) = map(json.loads, lines_of_parquet(body, table(Exact)))
    assert {"price", "perhaps"}.isdisjoint(line)
    assert line["whole"] == "9" * 38


def test_lines_are_counted_whatever_their_format(stack: Stack) -> None:
    line = transformed(RECORD, Record)
    for key, body in {
        "data/siteId=2/object.gz": gzip.compress(line * 2),
        "data/siteId=2/object.parquet": converted(line, Record),
    }.items():
        stack.s3.put_object(Bucket=stack.bucket, Key=key, Body=body)
        assert {each + b"\n" for each in lines(stack, key)} == {line}
    (found,) = partitions(stack, [])
    assert (found.objects, found.records) == (2, 3)


def test_gzip_of_several_members_is_read_whole() -> None:
    assert unzip(gzip.compress(b"a\n") + gzip.compress(b"b\n") + b"\0\0") == b"a\nb\n"


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(b"a\n" * 99)[:-1],
        gzip.compress(b"a\n" * 99)[:15],
        gzip.compress(b"a\n") + b"more",
        gzip.compress(b"a\n") + gzip.compress(b"b\n")[:-4],
        gzip.compress(b"a\n")[:-8] + bytes(8),
    ],
)
def test_gzip_that_is_not_complete_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="it is not a complete gzip file"):
        unzip(body)


def test_a_large_object_is_read_in_pieces_whatever_its_format(stack: Stack) -> None:
    line = transformed(RECORD | {"name": {"S": "x" * 1_000}}, Record)
    count = 5 * PIECE_BYTES // len(line)
    found = tuple(column(each.name, each.key, each.type) for each in columns(table(Record)))
    parquet = Parquet(Conversion(CatalogTable("", "", "", "", ""), found))
    bodies = {
        "gzip": gzip.compress(line * count),
        "members": gzip.compress(line) + gzip.compress(line * (count - 1)),
        "parquet": parquet.body([line] * count),
        "text": (line * count)[:-1],
    }
    for name, body in bodies.items():
        stack.s3.put_object(Bucket=stack.bucket, Key=f"data/siteId=2/{name}", Body=body)
    for each in objects(stack, "data/"):
        pieces = list(read_pieces(stack, [each]))
        assert [piece.is_last for piece in pieces] == [False] * (len(pieces) - 1) + [True]
        assert sum(len(piece.lines) for piece in pieces) == count
        assert {text for piece in pieces for text in piece.lines} == {line[:-1]}
        assert max(sum(map(len, piece.lines)) for piece in pieces) < 1.5 * PIECE_BYTES
        assert {piece.problem for piece in pieces} == {None}


@pytest.mark.parametrize("is_replaced", [True, False])
def test_lines_of_two_versions_of_a_large_object_are_not_mixed(
    stack: Stack, is_replaced: bool
) -> None:
    line = transformed(RECORD, Record)
    body = line * (3 * PIECE_BYTES // len(line))
    key = "data/siteId=2/large"
    stack.s3.put_object(Bucket=stack.bucket, Key=key, Body=body)
    pieces = read_pieces(stack, objects(stack, "data/"))
    first = next(pieces)
    # As an erasure does: every later line is in another place.
    if is_replaced:
        stack.s3.put_object(Bucket=stack.bucket, Key=key, Body=body[len(line) :])
    else:
        stack.s3.delete_object(Bucket=stack.bucket, Key=key)
    (last,) = pieces
    assert (first.problem, first.is_last) == (None, False)
    problem = f"s3://{stack.bucket}/{key} was replaced while it was read"
    assert last[1:] == ([], problem if is_replaced else None, True)


@pytest.mark.parametrize(
    "end", [b"{}", b"\xff", gzip.compress(b"")[:-1]], ids=["no gzip", "no text", "cut gzip"]
)
def test_a_large_object_is_known_to_be_damaged_from_its_first_piece_on(
    stack: Stack, end: bytes
) -> None:
    line = transformed(RECORD, Record)
    count = 3 * PIECE_BYTES // len(line)
    body = gzip.compress(line * count) + (end if end[:1] == b"\x1f" else gzip.compress(end))
    stack.s3.put_object(Bucket=stack.bucket, Key="data/siteId=2/torn", Body=body)
    pieces = list(read_pieces(stack, objects(stack, "data/")))
    assert sum(len(piece.lines) for piece in pieces) > count / 3
    (problem,) = {piece.problem for piece in pieces}
    assert problem is not None
    assert "data/siteId=2/torn is damaged: " in problem


@pytest.mark.parametrize(
    "read",
    [
        lambda stack, key: read_body(stack, key),
        lambda stack, key: lines(stack, key),
        lambda stack, _key: list(read_pieces(stack, objects(stack, "data/"))),
        lambda stack, key: Reader(stack, Keys(stack.table, []), []).content(key, "null"),
    ],
    ids=["body", "lines", "pieces", "erasure"],
)
def test_an_object_whose_transfer_breaks_off_after_a_line_is_not_taken_for_whole(
    stack: Stack, read: Callable[[Stack, str], object]
) -> None:
    line = transformed(RECORD, Record)
    key = "data/siteId=2/text"
    stack.s3.put_object(Bucket=stack.bucket, Key=key, Body=line * 2)

    def break_off(parsed: dict[str, Any], **_: object) -> None:
        parsed["Body"] = StreamingBody(BytesIO(line), parsed["ContentLength"])

    stack.s3.meta.events.register("after-call.s3.GetObject", break_off)
    with pytest.raises(IncompleteReadError):
        read(stack, key)


def test_an_object_that_is_gone_when_it_is_read_has_no_lines(stack: Stack) -> None:
    line = transformed(RECORD, Record)
    for key in ("data/siteId=2/a", "data/siteId=2/b"):
        stack.s3.put_object(Bucket=stack.bucket, Key=key, Body=line)
    stored = list(objects(stack, "data/"))
    stack.s3.delete_object(Bucket=stack.bucket, Key="data/siteId=2/a")
    problems: list[str] = []
    read = [content for _, content in read_objects(stack, stored, problems)]
    assert read == [[], [line[:-1]]]
    assert problems == []
