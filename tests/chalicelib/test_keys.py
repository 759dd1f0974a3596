import pytest

from chalicelib.declaration import Key, Table
from chalicelib.keys import key_from, key_of, path_of, texts_of

METERS = Table(key=(Key("meter"), Key("readAt", "N")))
BLOBS = Table(key=(Key("hash", "B"),))


def test_a_key_of_two_parts_is_two_texts_in_the_tables_order() -> None:
    item = {"readAt": {"N": "1.7E+9"}, "meter": {"S": "m 1"}, "kwh": {"N": "3"}}
    assert texts_of(METERS, item) == ("m 1", "1700000000")
    assert key_of(METERS, item) == {"meter": {"S": "m 1"}, "readAt": {"N": "1.7E+9"}}


@pytest.mark.parametrize(
    ("table", "texts"), [(METERS, ("m 1", "-1.5")), (BLOBS, ("AP+8",)), (METERS, ("é/%", "0"))]
)
def test_texts_lead_back_to_the_key_they_came_from(table: Table, texts: tuple[str, ...]) -> None:
    assert texts_of(table, key_from(table, texts)) == texts


@pytest.mark.parametrize(
    ("spellings", "text"),
    [
        (("100", "1E+2", "100.00", "+1e2"), "100"),
        (("0", "-0", "0.000"), "0"),
        (("0.0000001", "1E-7"), "1E-7"),
        (("1E+60", "1" + "0" * 60), "1E+60"),
        (("9" * 38 + ".0", "9" * 38), "9" * 38),
    ],
)
def test_spellings_of_one_number_are_one_text(spellings: tuple[str, ...], text: str) -> None:
    items = [{"meter": {"S": "m"}, "readAt": {"N": spelling}} for spelling in spellings]
    assert {texts_of(METERS, item) for item in items} == {("m", text)}


@pytest.mark.parametrize(
    ("table", "texts", "rule"),
    [
        (METERS, ("m",), r"a key is 2 values \(meter, readAt\), not 1"),
        (METERS, ("m", "1e200"), "readAt must be a number that DynamoDB can hold"),
        (METERS, ("", "1"), "meter must have 1 to 2048 bytes"),
        (BLOBS, ("no base64",), "hash must be 1 to 2048 bytes in base64"),
    ],
)
def test_texts_that_are_no_key_are_refused_with_the_attribute_and_the_rule(
    table: Table, texts: tuple[str, ...], rule: str
) -> None:
    with pytest.raises(ValueError, match=rule):
        key_from(table, texts)


def test_a_binary_part_has_no_slash_in_a_path_and_is_read_in_either_base64() -> None:
    key = {"hash": {"B": b"\xff\xef\xfe"}}
    assert texts_of(BLOBS, key) == ("/+/+",)
    assert path_of(BLOBS, key) == "_-_-"
    assert key_from(BLOBS, ["_-_-"]) == key_from(BLOBS, ["/+/+"]) == key
    assert path_of(METERS, {"meter": {"S": "a/-_"}, "readAt": {"N": "1"}}) == "a%2F-_/1"
