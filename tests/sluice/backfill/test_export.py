"""Exports as DynamoDB writes them, read whole or refused."""

import gzip
import json
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.attributes import from_text
from sluice.backfill.export import PAGE_ITEMS, Export
from sluice.backfill.source import Page
from sluice.errors import OperationError
from sluice.stack import Stack
from tests.sluice.backfill.exports import EXPORT_ID, data_file, export_objects

WriteExport = Callable[..., str]


@pytest.fixture
def write_export(stack: Stack) -> WriteExport:
    """Writes an export into the bucket; answers the place it was asked to write to."""

    def write(files: dict[str, bytes], counts: dict[str, int], **options: Any) -> str:
        for key, body in export_objects(files, counts, prefix="exports/", **options).items():
            stack.s3.put_object(Bucket=stack.bucket, Key=key, Body=body)
        return f"s3://{stack.bucket}/exports/"

    return write


def item(number: int) -> dict[str, Any]:
    return {
        "name": {"S": f"item\n{number}"},
        "exact": {"N": f"{number}.{'1' * 30}"},
        "blob": {"B": b64encode(bytes([number % 256])).decode()},
        "id": {"S": str(number)},
    }


def ids(pages: list[Page]) -> list[int]:
    return [int(from_text(found.keys)["id"]["S"]) for page in pages for found in page.items]


def test_every_item_of_every_file_is_read_as_it_was_at_the_exports_time(
    stack: Stack, write_export: WriteExport
) -> None:
    amounts = {"one.json.gz": range(3), "two.json.gz": range(3, 7), "empty.json.gz": range(0)}
    files = {name: data_file([item(n) for n in numbers]) for name, numbers in amounts.items()}
    uri = write_export(files, {name: len(numbers) for name, numbers in amounts.items()})
    export = Export(stack.s3, uri, ["id"])
    assert (export.item_count, export.identity[-len(EXPORT_ID) :]) == (7, EXPORT_ID)
    assert export.taken_at == datetime(2023, 11, 15, 19, 29, 11, 926000, tzinfo=UTC)
    pages = [page for part in export.parts() for page in export.pages(part, None)]
    assert ids(pages) == list(range(7))
    assert {page.moment for page in pages} == {1700076551926}
    assert json.loads(pages[0].items[1].image) == item(1)


def test_a_file_goes_on_behind_the_line_where_it_was_left(
    stack: Stack, write_export: WriteExport
) -> None:
    count = 2 * PAGE_ITEMS + 10
    uri = write_export(
        {"a.json.gz": data_file([item(n) for n in range(count)])}, {"a.json.gz": count}
    )
    export = Export(stack.s3, uri, ["id"])
    first, *rest = export.pages("a.json.gz", None)
    assert rest[-1].after is None
    assert ids([first, *rest]) == list(range(count))
    assert ids(list(export.pages("a.json.gz", first.after))) == ids(rest)


@pytest.mark.parametrize(
    "place",
    [
        "exports/",
        "exports",
        f"exports/AWSDynamoDB/{EXPORT_ID}",
        f"exports/AWSDynamoDB/{EXPORT_ID}/manifest-summary.json",
    ],
)
def test_an_export_is_found_at_any_place_that_names_it(
    stack: Stack, write_export: WriteExport, place: str
) -> None:
    write_export({"a.json.gz": data_file([item(1)])}, {"a.json.gz": 1})
    export = Export(stack.s3, f"s3://{stack.bucket}/{place}", ["id"])
    assert ids(list(export.pages("a.json.gz", None))) == [1]


def test_an_export_that_was_moved_whole_is_read_where_it_lies(
    stack: Stack, write_export: WriteExport
) -> None:
    uri = write_export(
        {"a.json.gz": data_file([item(1)])}, {"a.json.gz": 1}, manifestFilesS3Key="elsewhere/x"
    )
    assert ids(list(Export(stack.s3, uri, ["id"]).pages("a.json.gz", None))) == [1]


@pytest.mark.parametrize(
    ("summary", "reason"),
    [
        ({"outputFormat": "ION"}, "as ION; export the table as DYNAMODB_JSON"),
        ({"exportType": "INCREMENTAL_EXPORT"}, "incremental"),
        ({"exportTime": None}, "incremental"),
        ({"itemCount": 2}, "lists 1 items, and manifest-summary.json says 2"),
        ({"itemCount": "many"}, "not a manifest of an export"),
    ],
)
def test_another_kind_of_export_is_refused(
    stack: Stack, write_export: WriteExport, summary: dict[str, Any], reason: str
) -> None:
    uri = write_export({"a.json.gz": data_file([item(1)])}, {"a.json.gz": 1}, **summary)
    with pytest.raises(OperationError, match=reason):
        Export(stack.s3, uri, ["id"])


def test_an_export_that_goes_on_is_refused(stack: Stack) -> None:
    key = f"exports/AWSDynamoDB/{EXPORT_ID}/_started"
    stack.s3.put_object(Bucket=stack.bucket, Key=key, Body=b"")
    with pytest.raises(OperationError, match="no finished export below"):
        Export(stack.s3, f"s3://{stack.bucket}/exports/", ["id"])


def test_a_place_with_several_exports_is_refused_with_their_names(
    stack: Stack, write_export: WriteExport
) -> None:
    for export_id in ("one", "two"):
        uri = write_export({}, {}, export_id=export_id)
    with pytest.raises(OperationError, match=r"2 exports .*AWSDynamoDB/one/.*AWSDynamoDB/two/"):
        Export(stack.s3, uri, ["id"])


@pytest.mark.parametrize("missing", ["manifest-files.json", "data/a.json.gz"])
def test_an_export_with_a_missing_file_is_refused(
    stack: Stack, write_export: WriteExport, missing: str
) -> None:
    uri = write_export({"a.json.gz": data_file([item(1)])}, {"a.json.gz": 1})
    stack.s3.delete_object(Bucket=stack.bucket, Key=f"exports/AWSDynamoDB/{EXPORT_ID}/{missing}")
    with pytest.raises(OperationError, match="is missing: the export is not whole"):
        list(Export(stack.s3, uri, ["id"]).pages("a.json.gz", None))


WHOLE = data_file([item(n) for n in range(2)])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (WHOLE[:-20], "damaged"),
        (b"plain", "damaged"),
        (WHOLE[:30] + b"\x00" + WHOLE[31:], "damaged"),
        (gzip.compress(b'{"Item": {"id": {"S": "a"}}\n', mtime=0), "damaged"),
        (gzip.compress(b'{"NewImage": {}}\n', mtime=0), "damaged"),
        (gzip.compress(b'{"Item": {"\xff": {"S": "a"}}}\n', mtime=0), "damaged"),
        (data_file([{"other": {"S": "a"}}]), "damaged"),
        (data_file([item(1)]), "has 1 items, and manifest-files.json says 2"),
        (b"", "has 0 items, and manifest-files.json says 2"),
    ],
    ids=["cut", "plain", "torn", "no JSON", "other JSON", "no UTF-8", "no key", "short", "empty"],
)
def test_a_damaged_file_is_never_taken_for_read(
    stack: Stack, write_export: WriteExport, body: bytes, reason: str
) -> None:
    uri = write_export({"a.json.gz": body}, {"a.json.gz": 2})
    pages = Export(stack.s3, uri, ["id"]).pages("a.json.gz", None)
    with pytest.raises(OperationError, match=reason):
        assert all(page.after is not None for page in pages)


@pytest.mark.parametrize("uri", ["bucket/prefix", "https://bucket/prefix", "s3://", "s3:///prefix"])
def test_a_place_that_is_not_in_s3_is_refused(stack: Stack, uri: str) -> None:
    with pytest.raises(OperationError, match="write it as s3://bucket/prefix"):
        Export(stack.s3, uri, ["id"])


def test_a_bucket_that_does_not_exist_is_refused(stack: Stack) -> None:
    with pytest.raises(OperationError, match="s3://no-such-bucket cannot be listed"):
        Export(stack.s3, "s3://no-such-bucket/exports/", ["id"])


def test_only_lines_of_its_own_files_are_accepted(stack: Stack, write_export: WriteExport) -> None:
    uri = write_export({"one.json.gz": data_file([item(1), item(2)])}, {"one.json.gz": 2})
    export = Export(stack.s3, uri, ["id"])
    assert [export.accepts({"one.json.gz": place}) for place in (None, "0", "2")] == [True] * 3
    assert not any(export.accepts({"one.json.gz": place}) for place in ("3", "-1", "x", ""))
    assert not export.accepts({"two.json.gz": None})
    assert not export.accepts({})
