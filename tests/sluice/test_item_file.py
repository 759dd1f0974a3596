"""Reading items from a file of DynamoDB JSON."""

import gzip
from pathlib import Path

import pytest

from sluice.errors import OperationError
from sluice.item_file import read_items

PLAIN = b'{"pk": {"S": "a"}, "n": {"N": "1.50"}, "b": {"B": "AQI="}}'
ITEM = {"pk": {"S": "a"}, "n": {"N": "1.50"}, "b": {"B": b"\x01\x02"}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "items"


@pytest.mark.parametrize("line", [PLAIN, b'{"Item": %b}' % PLAIN, b' {"Item":%b}\r' % PLAIN])
@pytest.mark.parametrize("write", [bytes, gzip.compress])
def test_items_are_read_plain_and_from_an_export_gzipped_or_not(
    file: Path, line: bytes, write: type[bytes]
) -> None:
    file.write_bytes(write(line + b"\n\n" + line))
    assert list(read_items(file)) == [ITEM, ITEM]


def test_an_attribute_may_be_called_item(file: Path) -> None:
    file.write_bytes(b'{"Item": {"S": "a"}}\n{"Item": {"Item": {"S": "b"}, "M": {"M": {}}}}')
    assert list(read_items(file)) == [
        {"Item": {"S": "a"}},
        {"Item": {"S": "b"}, "M": {"M": {}}},
    ]


@pytest.mark.parametrize(
    "line",
    [
        b'{"pk": "a"}',
        b'{"pk": {"S": "a", "N": "1"}}',
        b'{"pk": {"T": "a"}}',
        b'{"pk": {"B": "A"}}',
        b'{"pk": {"L": [1]}}',
        b"{}",
        b"[1]",
        b"pk,sk",
        b"\xff",
        b'{"Keys": {"pk": {"S": "a"}}, "NewImage": {"pk": {"S": "a"}}}',
    ],
)
def test_a_line_that_is_no_item_is_named_by_its_number(file: Path, line: bytes) -> None:
    file.write_bytes(PLAIN + b"\n" + line)
    with pytest.raises(OperationError, match=r"line 2 is not an item in DynamoDB JSON: write"):
        list(read_items(file))


@pytest.mark.parametrize(
    ("scan", "place"),
    [
        (b'{\n "Items": [\n  %b,\n  {"pk": "a"}\n ],\n "Count": 2\n}' % PLAIN, ", item 2"),
        (b'{\n "Items": [\n  %b' % PLAIN, ""),
    ],
)
def test_of_a_scan_the_item_that_is_none_is_named_or_else_the_file(
    file: Path, scan: bytes, place: str
) -> None:
    file.write_bytes(scan)
    with pytest.raises(OperationError, match=f"^{file}{place} is not an item in DynamoDB JSON"):
        list(read_items(file))


def test_a_file_that_is_absent_or_cut_short_is_named(file: Path) -> None:
    with pytest.raises(OperationError, match="No such file"):
        list(read_items(file))
    file.write_bytes(gzip.compress(PLAIN * 100)[:-9])
    with pytest.raises(OperationError, match="cannot be read after line"):
        list(read_items(file))
