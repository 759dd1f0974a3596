"""Records of several kinds, names, times and rules, from change to line and back."""

import json
from base64 import b64decode, b64encode
from typing import Annotated, Any

import pytest
from msgspec import UNSET, Meta, Struct, UnsetType, field

from chalicelib.declaration import (
    CHANGED,
    ByAttribute,
    ByPrefix,
    Key,
    Kind,
    Protection,
    Table,
    Time,
    Undeclared,
)
from chalicelib.transform import transformer
from sluice.items import item_writer, read_line


class Item(Struct, kw_only=True):
    pk: str
    sk: str


class Order(Item):
    order_no: str | UnsetType = field(name="order-no", default=UNSET)
    event_id: Annotated[str, Meta(extra={"line": "orderEventId"})] | UnsetType = field(
        name="eventId", default=UNSET
    )
    expired: Annotated[bool, Meta(extra={"line": "isExpired"})] | UnsetType = UNSET
    at: str | UnsetType = UNSET


class Part(Item):
    count: int | UnsetType = UNSET


def shop(
    others: Undeclared = "keep",
    undeclared: Undeclared = "keep",
    protect: dict[str, Protection] | None = None,
) -> Table:
    return Table(
        key=(Key("pk"), Key("sk")),
        told_by=ByPrefix("sk"),
        kinds=(
            Kind("order", Order, when="ORDER#", undeclared=undeclared),
            Kind("part", Part, when="ORDER#PART#"),
        ),
        others=others,
        times=(Time("at", "iso"), CHANGED),
        layout=("pk", "year"),
        protect=protect or {},
    )


def hashed(data: bytes) -> str:
    return f"{len(data):064x}"


def image(sk: str, **attributes: Any) -> dict[str, Any]:
    return {"pk": {"S": "p"}, "sk": {"S": sk}, **attributes}


def answer(table: Table, new: dict[str, Any]) -> dict[str, Any]:
    stream = {
        "SequenceNumber": "100",
        "ApproximateCreationDateTime": 1700076600,
        "NewImage": new,
    }
    change = {"eventID": "e", "eventName": "INSERT", "dynamodb": stream}
    return again(table, json.dumps(change).encode())


def again(table: Table, payload: bytes) -> dict[str, Any]:
    record = {"recordId": "r", "data": b64encode(payload).decode()}
    result: dict[str, Any]
    (result,) = transformer(table, hasher=hashed)({"records": [record]})["records"]
    return result


def line(table: Table, new: dict[str, Any]) -> dict[str, Any]:
    result = answer(table, new)
    assert result["result"] == "Ok"
    assert again(table, b64decode(result["data"])) == result
    content: dict[str, Any] = json.loads(b64decode(result["data"]))
    return content


@pytest.mark.parametrize(
    ("sk", "kind"),
    [("ORDER#1", "order"), ("ORDER#PART#1", "part"), ("ORDER", "other"), ("", "other")],
)
def test_the_longest_prefix_tells_the_kind_which_is_a_level_and_a_field(sk: str, kind: str) -> None:
    result = answer(shop(), image(sk))
    assert json.loads(b64decode(result["data"]))["kind"] == kind
    assert result["metadata"]["partitionKeys"] == {"kind": kind, "pk": "p", "year": "2023"}


@pytest.mark.parametrize(
    ("attribute", "kind"), [({"S": "O"}, "order"), ({"N": "1"}, "other"), (["O"], "other")]
)
def test_an_attribute_tells_the_kind(attribute: Any, kind: str) -> None:
    table = Table(
        key=(Key("pk"), Key("sk")),
        told_by=ByAttribute("type"),
        kinds=(Kind("order", Order, when="O"),),
        layout=("year",),
    )
    assert line(table, image("s", type=attribute))["kind"] == kind
    assert line(table, image("s"))["kind"] == "other"


def test_names_are_those_of_the_table_or_those_given_for_the_line() -> None:
    new = image(
        "ORDER#1", **{"order-no": {"S": "A"}, "eventId": {"S": "mine"}, "expired": {"BOOL": True}}
    )
    content = line(shop(), new)
    assert content["order-no"] == "A"
    assert (content["eventId"], content["orderEventId"]) == ("e", "mine")
    assert content["isExpired"] is True
    assert "expired" not in content
    assert item_writer(shop())(read_line(json.dumps(content).encode())) == new


def test_the_event_time_is_the_first_that_the_item_has() -> None:
    assert line(shop(), image("ORDER#1", at={"S": "2020-01-01T00:00:00Z"}))["eventTime"] == (
        1577836800000
    )
    assert line(shop(), image("ORDER#1"))["eventTime"] == 1700076600000


def test_items_of_no_declared_kind_have_their_key_and_all_else_as_it_is() -> None:
    content = line(shop(), image("x", more={"L": [{"N": "1.50"}]}))
    assert json.loads(content["extra"]) == {"more": {"L": [{"N": "1.50"}]}}


@pytest.mark.parametrize(
    ("others", "result"), [("drop", "Dropped"), ("quarantine", "ProcessingFailed")]
)
def test_items_of_no_declared_kind_are_dropped_or_quarantined(
    others: Undeclared, result: str
) -> None:
    assert answer(shop(others=others), image("x"))["result"] == result
    assert answer(shop(others=others), image("ORDER#1"))["result"] == "Ok"


def test_undeclared_attributes_are_kept_dropped_or_quarantined() -> None:
    new = image("ORDER#1", more={"S": "m"})
    assert "extra" in line(shop(), new)
    assert "extra" not in line(shop(undeclared="drop"), new)
    assert answer(shop(undeclared="quarantine"), new)["result"] == "ProcessingFailed"
    assert answer(shop(undeclared="quarantine"), image("ORDER#1"))["result"] == "Ok"


def test_protected_attributes_are_left_out_or_hashed_wherever_they_are() -> None:
    table = shop(protect={"order-no": "hash", "secret": "drop", "email": "hash"})
    secrets = {"order-no": {"S": "Ada"}, "secret": {"S": "Ada"}, "email": {"S": "Ada"}}
    for sk in ("ORDER#1", "ORDER#PART#1", "x"):
        content = line(table, image(sk, **secrets))
        assert "Ada" not in json.dumps(content)
        assert "secret" not in json.dumps(content)
        assert hashed(b'{"S":"Ada"}') in content.get("extra", content.get("order-no", ""))
    assert line(table, image("ORDER#1", **secrets))["order-no"] == hashed(b'{"S":"Ada"}')


@pytest.mark.parametrize("name", ["order-no", "secret"])
@pytest.mark.parametrize("protection", ["hash", "drop"])
def test_a_finished_line_from_before_an_attribute_was_protected_is_refused(
    name: str, protection: Protection
) -> None:
    before = answer(shop(), image("ORDER#1", **{name: {"S": "Ada"}}))
    result = again(shop(protect={name: protection}), b64decode(before["data"]))
    assert result["result"] == "ProcessingFailed"
    assert "Ada" not in str(result)


def test_equal_values_have_equal_hashes_however_they_are_spelled() -> None:
    table = shop(protect={"email": "hash"})
    stream = {"SequenceNumber": "1", "ApproximateCreationDateTime": 1, "NewImage": image("x")}
    change = json.dumps({"eventID": "e", "eventName": "INSERT", "dynamodb": stream})
    spelled = [
        change.replace('"pk"', f'"email": {each}, "pk"')
        for each in ('{"S":"é"}', '{ "S" : "\\u00e9" }')
    ]
    first, second = (again(table, each.encode())["data"] for each in spelled)
    assert first == second


def test_a_table_with_fields_to_hash_is_not_read_without_a_key() -> None:
    with pytest.raises(TypeError, match="no key to hash them with"):
        transformer(shop(protect={"email": "hash"}))


def test_a_time_of_another_unit_is_delivered_and_noticed() -> None:
    class Reading(Struct):
        id: str
        ts: int

    table = Table(key=(Key("id"),), kinds=(Kind("reading", Reading),), times=(Time("ts"),))
    seen = []
    transform = transformer(table, odd_time=lambda record, name: seen.append((record, name)))
    for ts in ("1700076551", "1700076551318"):
        stream = {
            "SequenceNumber": "1",
            "ApproximateCreationDateTime": 1,
            "NewImage": {"id": {"S": "a"}, "ts": {"N": ts}},
        }
        change = json.dumps({"eventID": "e", "eventName": "INSERT", "dynamodb": stream}).encode()
        event = {"records": [{"recordId": ts, "data": b64encode(change).decode()}]}
        assert transform(event)["records"][0]["result"] == "Ok"
    assert seen == [("1700076551", "ts")]


def test_a_finished_line_of_no_declared_kind_is_dropped_where_those_are_by_now() -> None:
    first = answer(shop(), image("x"))
    assert again(shop(others="drop"), b64decode(first["data"]))["result"] == "Dropped"
