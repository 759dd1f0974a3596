"""A finished line that is replayed stays as it is, and nothing that only resembles one passes."""

import json
from base64 import b64decode, b64encode
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Struct, UnsetType

from chalicelib.declaration import Undeclared
from chalicelib.lines import line_fields
from chalicelib.schema import TABLE as ARTICLE
from chalicelib.transform import transformer
from chalicelib.types import field_types, line_value
from tests.chalicelib.test_exact import BEYOND
from tests.chalicelib.test_exact_types import TRANSFORM, answer_to, items
from tests.chalicelib.test_transform import change, encoded, lake_line, only
from tests.declaring import table
from tests.record_types import Everything

TABLE = table(Everything)
LINE = line_fields(TABLE, TABLE.shapes[0])
ITEM = {
    "id": {"S": "a"},
    "siteId": {"S": "a"},
    "whole": {"N": "1"},
    "exact": {"N": "1.50"},
    "data": {"B": "AAE="},
    "flag": {"BOOL": True},
    "perhaps": {"NULL": True},
    "many": {"L": [{"N": "9007199254740993.5"}, {"NULL": True}]},
    "address": {"M": {"street": {"S": "s"}, "floor": {"N": "2"}}},
    "words": {"SS": ["a", "b"]},
    "other": {"N": "1E-130"},
}


def answer(payload: bytes, undeclared: Undeclared = "keep", **options: Any) -> dict[str, Any]:
    transform = transformer(table(Everything, ["siteId"], undeclared), **options)
    record = {"recordId": "r", "data": b64encode(payload).decode()}
    result: dict[str, Any]
    (result,) = transform({"records": [record]})["records"]
    return result


def finished(event_name: str = "INSERT") -> dict[str, Any]:
    """A line of every type, as JSON."""
    line: dict[str, Any] = json.loads(b64decode(answer_to(ITEM, event_name)["data"]))
    return line


def written(line: dict[str, Any]) -> bytes:
    return msgspec.json.encode(line) + b"\n"


@given(items(), st.sampled_from(["INSERT", "MODIFY", "REMOVE", "SNAPSHOT"]))
def test_a_finished_line_is_answered_with_its_own_bytes_and_keys(
    item: dict[str, Any], event_name: str
) -> None:
    first = answer_to(item, event_name)
    assert first["result"] == "Ok"
    (again,) = TRANSFORM({"records": [{"recordId": "r", "data": first["data"]}]})["records"]
    assert again == first


def test_the_mark_of_a_delete_by_time_to_live_stays() -> None:
    by_ttl = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    first = only(change("REMOVE", userIdentity=by_ttl))
    assert lake_line(first)["expired"] is True
    assert only(b64decode(first["data"])) == first


def test_its_keys_are_those_of_the_layout_of_now() -> None:
    line = b64decode(only(change())["data"])
    keys = only(line, table=ARTICLE.with_layout(("year", "siteId")))["metadata"]["partitionKeys"]
    assert keys == {"year": "2023", "siteId": "2"}


def test_the_settings_of_now_apply_to_it() -> None:
    line = written(finished())
    assert "extra" not in json.loads(b64decode(answer(line, undeclared="drop")["data"]))
    assert answer(line, change_types=["REMOVE"])["result"] == "Dropped"


def test_values_that_are_not_text_in_it_become_text() -> None:
    """Lines may have the values themselves, as those of other writers do."""
    line = finished()
    texts = [name for name, declared in LINE.items() if declared.as_json]
    plain = {
        name: msgspec.Raw(value.encode()) if name in texts and value is not None else value
        for name, value in line.items()
    }
    assert b'"many":[9007199254740993.5,null]' in written(plain)
    assert b64decode(answer(written(plain))["data"]) == written(line)


def test_an_attribute_that_is_declared_since_moves_to_its_field() -> None:
    class Grown(Struct):
        siteId: str
        weight: Decimal | UnsetType = UNSET

    class Before(Struct):
        siteId: str

    image = {"siteId": {"S": "2"}, "weight": {"N": "1.5"}, "more": {"S": "m"}}
    stream = {**change()["dynamodb"], "NewImage": image}
    lines = [
        transformer(table(kind, ["siteId"]))(
            {"records": [{"recordId": "r", "data": encoded(change(dynamodb=stream))}]}
        )["records"][0]
        for kind in (Before, Grown)
    ]
    (again,) = transformer(table(Grown, ["siteId"]))({"records": [lines[0]]})["records"]
    assert again == lines[1]
    assert lake_line(again)["weight"] == "1.5"


BROKEN: dict[str, dict[str, Any]] = {
    "a field that is not declared": {"colour": "crimson"},
    "a field of another type": {"data": 7},
    "a text that is a number now": {"flag": "true"},
    "a number as text": {"changedAt": "1700076552000"},
    "a text as a number": {"perhaps": 1},
    "base64 with more in it": {"data": "AA E="},
    "an unsorted set": {"words": '["b","a"]'},
    "a member that is not declared": {"address": '{"street":"s","floor":2,"new":1}'},
    "text that is not JSON": {"exact": "1.5.0"},
    "text of another type": {"many": '{"a":1}'},
    "a text that is not a number": {"exact": '"1.5"'},
    "another kind of change": {"changeType": "UPSERT"},
    "no kind of change": {"changeType": None},
    "a short sequence": {"changeSequence": "1"},
    "a sequence of letters": {"changeSequence": "a" * 40},
    "a sequence that is a number": {"changeSequence": 1},
    "a time that is not whole": {"changedAt": 0.0005},
    "a negative time": {"changedAt": -1},
    "an endless time": {"changedAt": 10**400},
    "no event": {"eventId": None},
    "an insert that expired": {"expired": True},
    "not expired": {"expired": False},
    "extra that is not text": {"extra": {}},
    "extra that is not JSON": {"extra": "{"},
    "extra that is not an object": {"extra": "[]"},
    "no site": {"siteId": None},
    "an empty site": {"siteId": ""},
}


@pytest.mark.parametrize("changed", BROKEN.values(), ids=BROKEN.keys())
def test_what_only_resembles_a_line_fails_alone_with_a_reason(
    changed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(written(finished()))["result"] == "Ok"
    assert answer(json.dumps(finished() | changed).encode())["result"] == "ProcessingFailed"
    logged = capsys.readouterr().out
    assert json.loads(logged)["reason"]
    assert "crimson" not in logged


@pytest.mark.parametrize("number", BEYOND)
@pytest.mark.parametrize("line", [finished(), {}], ids=["a line", "no line"])
@pytest.mark.parametrize("name", ["exact", "many", "id", "changedAt", "changeSequence", "more"])
def test_a_number_beyond_every_decimal_fails_its_record_alone(
    name: str, line: dict[str, Any], number: str
) -> None:
    for value in (number, msgspec.Raw(number.encode())):
        expected = "Ok" if line and (name, value) == ("id", number) else "ProcessingFailed"
        assert answer(written(line | {name: value}))["result"] == expected


@pytest.mark.parametrize("name", ["changeType", "changeSequence", "changedAt", "eventId", "siteId"])
def test_a_line_without_a_field_that_each_has_is_refused(name: str) -> None:
    line = finished()
    del line[name]
    assert answer(written(line))["result"] == "ProcessingFailed"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "1", "1.50", "[]", "{}", '["a"]', '{"a":1}', "AA==", "null", "a"])
    | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(sorted(LINE)), VALUES, max_size=3))
def test_a_line_either_fails_or_keeps_each_of_its_values(changed: dict[str, Any]) -> None:
    payload = json.dumps(finished() | changed)
    result = answer(payload.encode())
    if result["result"] != "Ok":
        return
    line, again = exact(payload), exact(b64decode(result["data"]))
    line.pop("extra")
    assert {name: again[name] for name in line} == line
    assert answer(b64decode(result["data"])) == result


def exact(line: str | bytes) -> dict[str, Any]:
    """A line's values, with the texts of JSON read."""
    values: dict[str, Any] = json.loads(line, parse_float=Decimal)
    return values | {
        name: line_value(declared, values[name])
        for name, declared in field_types(Everything).items()
        if name in values
    }
