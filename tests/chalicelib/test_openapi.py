import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from app import app
from chalicelib import openapi
from chalicelib.declaration import ByAttribute, Key, Kind, Table
from chalicelib.declared import load
from chalicelib.record_schemas import PARTITION_FORMAT, TIME_FORMAT
from chalicelib.schema import TABLE, Record
from chalicelib.validation import BATCH_RECORDS_MAX
from tests.declaring import table
from tests.record_types import Everything


class Another(Struct, forbid_unknown_fields=True):
    id: str
    colour: Annotated[str, Meta(max_length=9, description="Its colour.")]
    price: list[Decimal] = []


def operations() -> list[dict[str, Any]]:
    paths = openapi.document(TABLE, app.routes)["paths"]
    return [operation for methods in paths.values() for operation in methods.values()]


def test_the_document_has_every_route_and_no_other() -> None:
    described = {
        (method.upper(), path)
        for path, methods in openapi.document(TABLE, app.routes)["paths"].items()
        for method in methods
    }
    routes = {(method, path) for path, methods in app.routes.items() for method in methods}
    assert described == routes


def test_every_operation_has_an_id_of_its_own_and_a_summary() -> None:
    ids = [operation["operationId"] for operation in operations()]
    assert len(ids) == len(set(ids))
    assert all(operation["summary"] for operation in operations())


def test_every_reference_and_link_leads_somewhere() -> None:
    document = openapi.document(TABLE, app.routes)
    ids = {operation["operationId"] for operation in operations()}

    def check(node: Any) -> None:
        match node:
            case {"operationId": name, "parameters": dict()}:
                assert name in ids
            case {"$ref": reference}:
                assert reference.removeprefix("#/components/schemas/") in schemas
        for child in node.values() if isinstance(node, dict) else node:
            if isinstance(child, dict | list):
                check(child)

    schemas = document["components"]["schemas"]
    check(document)


def test_the_document_is_served_below_the_stage_that_it_names() -> None:
    assert openapi.document(TABLE, app.routes, "/live/openapi.json")["servers"] == [
        {"url": "/live"}
    ]
    assert openapi.document(TABLE, app.routes, "/openapi.json")["servers"] == [{"url": "/"}]


def test_a_changed_record_changes_the_document() -> None:
    schemas = openapi.schemas(table(Another, layout=("colour", "year")))
    assert schemas["Record"]["required"] == ["id", "colour"]
    assert schemas["Record"]["additionalProperties"] is False
    assert schemas["Record"]["properties"]["colour"] == {
        "type": "string",
        "minLength": 1,
        "maxLength": 9,
        "format": PARTITION_FORMAT,
        "description": "Its colour. At most 256 characters once percent-encoded.",
    }
    assert schemas["Written"]["required"] == ["id", "colour", "price"]


def test_a_decimal_may_be_a_number() -> None:
    price = openapi.schemas(table(Another, layout=("colour",)))["Record"]["properties"]["price"]
    assert price["items"]["type"] == ["number", "string"]
    assert "at most 38 digits" in price["items"]["description"]


def test_no_object_takes_members_that_are_not_declared() -> None:
    schemas = openapi.schemas(table(Everything, layout=()))
    assert schemas["Part.Address"]["additionalProperties"] is False
    assert schemas["Record"]["additionalProperties"] is False


def test_an_id_that_no_path_can_name_is_excluded() -> None:
    assert set(openapi.schemas(TABLE)["Record"]["properties"]["id"]["not"]["enum"]) == {".", ".."}


def test_the_limits_are_those_in_force() -> None:
    schemas = openapi.schemas(TABLE)
    assert schemas["Batch"]["maxItems"] == BATCH_RECORDS_MAX
    assert schemas["Record"]["properties"].keys() == set(Record.__struct_fields__)
    assert schemas["Record"]["properties"]["valueOne"]["maximum"] == 2**63 - 1
    json.dumps(openapi.document(TABLE, app.routes))


SHOP = load(Path(__file__).parents[2] / "tables" / "shop.py")


def test_a_record_is_of_one_of_the_kinds_and_says_of_which() -> None:
    schemas = openapi.schemas(SHOP)
    kinds = [f"#/components/schemas/Record.{kind.name}" for kind in SHOP.kinds]
    assert [each["$ref"] for each in schemas["Record"]["oneOf"]] == kinds
    assert [each["$ref"] for each in schemas["Written"]["oneOf"]] == kinds
    order = schemas["Record.order"]
    assert order["properties"]["sk"]["allOf"] == [{"pattern": "^ORDER#"}]
    assert order["properties"]["createdAt"]["format"] == TIME_FORMAT
    assert schemas["Record.item"]["properties"]["tags"]["minItems"] == 1
    assert "Part.Order" not in schemas
    assert "Part.Address" in schemas


def test_a_kind_told_by_an_attribute_has_its_text() -> None:
    class Told(Struct):
        id: str
        type: str

    told = Table(
        key=(Key("id"),), told_by=ByAttribute("type"), kinds=(Kind("told", Told, when="T"),)
    )
    assert openapi.schemas(told)["Record.told"]["properties"]["type"]["const"] == "T"


def test_links_and_ids_have_both_parts_of_a_key() -> None:
    class Measure(Struct):
        meter: str = field(name="meter/no")
        at: int = field(name="at")

    measured = Table(key=(Key("meter/no"), Key("at", "N")), kinds=(Kind("measure", Measure),))
    document = openapi.document(measured, {"/records": app.routes["/records"]})
    links = document["paths"]["/records"]["post"]["responses"]["201"]["links"]
    assert links["get"] == {
        "operationId": "get_records_key1_key2",
        "parameters": {"key1": "$response.body#/meter~1no", "key2": "$response.body#/at"},
    }
    ids = document["components"]["schemas"]["Ids"]["properties"]["ids"]
    assert (ids["items"]["minItems"], ids["items"]["maxItems"]) == (2, 2)


def test_where_no_kind_is_declared_a_record_has_any_members_beside_its_key() -> None:
    schemas = openapi.schemas(Table(key=(Key("hash", "B"),)))
    record = schemas["Record"]
    assert record["required"] == ["hash"]
    assert record["additionalProperties"] == {"$ref": "#/components/schemas/Anything"}
    assert re.fullmatch(record["properties"]["hash"]["pattern"], "aGk=")
    assert not re.fullmatch(record["properties"]["hash"]["pattern"], "aGk")
    assert "Anything" not in openapi.schemas(TABLE)


def test_a_time_that_looks_like_another_unit_is_excluded() -> None:
    created = openapi.schemas(TABLE)["Record"]["properties"]["createdAtTime"]
    assert created["not"]["anyOf"] == [{"minimum": 94_694_400, "exclusiveMaximum": 4_102_444_800}]
    assert "not" not in openapi.schemas(SHOP)["Record.order"]["properties"]["createdAt"]
