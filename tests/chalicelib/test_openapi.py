import json
from decimal import Decimal
from typing import Annotated, Any

from msgspec import Meta, Struct

from app import app
from chalicelib import openapi
from chalicelib.record_schemas import PARTITION_FORMAT
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
