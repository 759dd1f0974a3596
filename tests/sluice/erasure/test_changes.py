"""Whose change a line or a record is, however it spells the key."""

import json

import pytest

from chalicelib.keys import key_from, texts_of
from sluice.erasure.changes import KeyChange, Keys, change_of
from tests.declaring import change, delivered, items_of, worked

NUMBERS = ["17", "17.0", "1.7e1", '"17"', '"1.70E+1"']


@pytest.mark.parametrize("spelling", NUMBERS)
def test_equal_numbers_are_one_key_however_a_line_spells_them(spelling: str) -> None:
    table = worked("meters")
    line = f'{{"meter": "m", "ts": {spelling}, "changeType": "INSERT", "changeSequence": "5", '
    change = change_of(table)((line + '"changedAt": 12}').encode())
    assert change == KeyChange(("m", "17"), "INSERT", 12, "5")


@pytest.mark.parametrize("name", ["sensors", "shop", "meters", "blobs", "amplify"])
def test_a_change_and_its_line_are_of_the_items_key(name: str) -> None:
    table = worked(name)
    read = change_of(table)
    for item in items_of(table, 4):
        key = texts_of(table, item)
        ((_, line),) = delivered(table, [change(item, 7, "REMOVE")])
        expected = KeyChange(key, "REMOVE", 1_700_000_000_000, "7".zfill(40))
        assert (read(line), read(change(item, 7, "REMOVE"))) == (expected, expected)


def test_any_of_the_images_of_a_change_may_have_the_key() -> None:
    read = change_of(worked("sensors"))
    image = {"id": {"S": "a"}}
    for images in (
        {"Keys": image},
        {"NewImage": "", "OldImage": image},
        {"Keys": None, "NewImage": image},
    ):
        found = read(json.dumps({"dynamodb": images}).encode())
        assert found is not None
        assert found.key == ("a",)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"id": 5}', b'{"dynamodb": {"Keys": {}}}', b"\xff", b"[" * 9999]
)
def test_what_is_neither_is_nobodys(data: bytes) -> None:
    assert change_of(worked("sensors"))(data) is None


def test_what_cannot_be_read_is_of_the_keys_that_it_quotes() -> None:
    table = worked("sensors")
    keys = Keys(table, [("a",), ('é"b',), ("c",)])
    assert keys.change(b'{"cut": "a"') == KeyChange(("a",))
    assert keys.change(b'{"cut": "ab"') is None
    assert keys.change('{"cut": "é\\"b"'.encode()) == KeyChange(('é"b',))
    assert keys.change(b'{"cut": "\\u00e9\\"b"') == KeyChange(('é"b',))
    assert [each.key for each in keys.mentioned('"xcx","é""b"'.encode())] == [("c",), ('é"b',)]


def test_a_number_is_quoted_only_as_a_whole_and_a_key_with_all_its_parts() -> None:
    table = worked("meters")
    key = texts_of(table, key_from(table, ["m", "17"]))
    keys = Keys(table, [key])
    assert keys.change(b'{"meter": "m", "ts": 17') == KeyChange(key)
    assert keys.change(b'{"meter": {"S": "m"}, "ts": {"N": "17"}') == KeyChange(key)
    assert keys.change(b'{"meter": "m", "ts": 170') is None
    assert keys.change(b'{"meter": "other", "ts": 17') is None


@pytest.mark.parametrize("spelled", [b"1700", b"1700.0", b"1.7E+3", b"1.7e+3"])
def test_a_number_is_mentioned_in_each_of_its_spellings(spelled: bytes) -> None:
    table = worked("meters")
    keys = Keys(table, [texts_of(table, key_from(table, ["m", "1700"]))])
    assert list(keys.mentioned(b'"m","' + spelled + b'"'))
    assert not list(keys.mentioned(b'"m","1700.01","-1700.5","1.7E+30","2.1.7E+3"'))
