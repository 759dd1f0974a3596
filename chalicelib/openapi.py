"""The API's description in OpenAPI 3.1: from the routes, the schema and the limits in force.

Only the route that serves it imports this module: a cold transform does not wait for it.
"""

import inspect
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from chalice.app import RouteEntry

from chalicelib.attributes import NUMBER_RULE
from chalicelib.declaration import KeyType, Table
from chalicelib.keys import KEY_PART_BYTES_MAX
from chalicelib.problems import Details
from chalicelib.readers import escaped
from chalicelib.record_schemas import BASE64, Json, record_schemas, ref
from chalicelib.validation import BATCH_BYTES_MAX, BATCH_RECORDS_MAX
from chalicelib.web import PAGE_BYTES_MAX, TOKEN_FORMAT, Contract, key_segments

PATH = "/openapi.json"
"""Where the description is served, below the stage."""

INTRODUCTION = """Writes records into the table of a Sluice stack, and reads them back.

Numbers stay exact. Of a member that occurs twice in an object the last counts. The key in a path is
percent-encoded. API Gateway itself answers 403, also for a route that does not exist, 429 and 504,
and 413 for a body above 10 MB.
"""

OF_EVERY_VIEW = (
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.GATEWAY_TIMEOUT,
)
"""Problems of every view, and of API Gateway, which may refuse any request."""

_KEYS: dict[KeyType, Json] = {
    "S": {"type": "string", "minLength": 1},
    "N": {"type": "number"},
    "B": {"type": "string", "contentEncoding": "base64", "minLength": 1},
}
"""Values of a key in an answer, by type."""

_IN_PATH: dict[KeyType, str] = {
    "S": "UTF-8 of at most {} bytes.",
    "N": "A number.",
    "B": "Base64 of at most {} bytes.",
}
"""What a part of the key in a path is, by type."""

_LOCATION = {"description": "The record's path.", "required": True, "schema": {"type": "string"}}

_RETRY_AFTER = {"description": "Seconds, if trying again may help.", "schema": {"type": "integer"}}

_LOCAL_REFUSAL = {
    "description": "What `chalice local` answers by itself.",
    "type": "object",
    "properties": {"message": {"type": ["string", "null"]}},
}


def document(
    table: Table, routes: Mapping[str, Mapping[str, RouteEntry]], path: str = PATH
) -> Json:
    """Return the description of an app's `routes`, requested at this path, including the stage.

    Raises KeyError for a view without a contract.
    """
    return {
        "openapi": "3.1.0",
        "info": {"title": "Sluice", "version": "1", "description": INTRODUCTION},
        "servers": [{"url": path.removesuffix(PATH) or "/"}],
        "security": [{"sigv4": []}],
        "paths": {
            path: {method.lower(): _operation(table, route) for method, route in methods.items()}
            for path, methods in routes.items()
        },
        "components": {
            "schemas": schemas(table),
            "securitySchemes": {
                "sigv4": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "AWS Signature Version 4, for the service execute-api.",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                }
            },
        },
    }


def schemas(table: Table) -> Json:
    """Return the components: those of the records, and those of the API."""
    key = {each.name: _KEYS[each.type] for each in table.key}
    (key_value, *more) = key.values()
    components: Json = {
        **record_schemas(table),
        **_details(),
        "Batch": {
            "description": "Records of different keys, of which none is written unless all are "
            f"valid: at most {BATCH_BYTES_MAX} bytes of JSON.",
            "type": "array",
            "minItems": 1,
            "maxItems": BATCH_RECORDS_MAX,
            "items": ref("Record"),
        },
        "Ids": {
            "description": "The ids of a batch's records, in its order.",
            **_object(
                required={
                    "ids": {
                        "type": "array",
                        "items": {
                            "type": "array",
                            "items": {"anyOf": [key_value, *more]},
                            "minItems": len(key),
                            "maxItems": len(key),
                        }
                        if more
                        else key_value,
                    }
                }
            ),
        },
        "Item": {
            "description": "A record as the table holds it: as the API wrote it, or with the "
            "attributes that another writer gave it.",
            "anyOf": [ref("Written"), _object(required=key)],
        },
        "Page": {
            "description": f"Records, of {PAGE_BYTES_MAX} bytes in all unless there is only one, "
            "and where the next page begins unless it is the last.",
            **_object(
                required={"records": {"type": "array", "items": ref("Item")}},
                optional={"nextToken": {"type": "string", "format": TOKEN_FORMAT}},
            ),
        },
        "Description": {"type": "object"},
    }
    return {name: _exact(component) for name, component in components.items()}


def _details() -> Json:
    """Describe the body of a problem."""
    _, components = msgspec.json.schema_components(
        [Details], ref_template="#/components/schemas/{name}"
    )
    for component in components.values():
        component["additionalProperties"] = False
    return components


def _operation(table: Table, route: RouteEntry) -> Json:
    """Describe one method of one path."""
    contract: Contract = vars(route.view_function)["contract"]
    problems = [*contract.problems, *OF_EVERY_VIEW]
    operation: Json = {
        "operationId": _operation_id(route.method, route.uri_pattern),
        "summary": inspect.getdoc(route.view_function),
        "parameters": [
            *(part for part in _key_parts(table) if part["name"] in route.view_args),
            *contract.parameters,
        ],
        "responses": {
            **{
                str(each.value): _answer(table, each, name)
                for each, name in contract.answers.items()
            },
            **{str(each.value): _answer(table, each, Details.__name__) for each in problems},
        },
    }
    if contract.body is not None:
        content = {"application/json": {"schema": ref(contract.body)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _key_parts(table: Table) -> list[Json]:
    """Describe the parts of the key in a path."""
    parts = zip(key_segments(table), table.key, KEY_PART_BYTES_MAX, strict=False)
    return [
        {
            "name": segment,
            "in": "path",
            "required": True,
            "description": _IN_PATH[key.type].format(limit),
            "schema": {"type": "string", "minLength": 1},
        }
        for segment, key, limit in parts
    ]


def _operation_id(method: str, path: str) -> str:
    return method.lower() + re.sub(r"\W+", "_", path).rstrip("_")


def _links(table: Table) -> Json:
    """Describe how the record that an answer holds is read and deleted."""
    segments = key_segments(table)
    path = "/records/" + "/".join(f"{{{segment}}}" for segment in segments)
    parameters = {
        segment: f"$response.body#/{escaped(name)}"
        for segment, name in zip(segments, table.key_names, strict=True)
    }
    return {
        method: {"operationId": _operation_id(method, path), "parameters": parameters}
        for method in ("get", "delete")
    }


def _exact(schema: Any) -> Any:
    """Return a schema with decimals, sets and binary values as the API takes and returns them."""
    match schema:
        case {"type": "string", "format": "decimal"}:
            rule = f"A number of {NUMBER_RULE}."
            return {"description": rule, **schema, "type": ["number", "string"]}
        case {"uniqueItems": True, **array}:
            # No set is empty; of members that are equal one counts.
            return {**_exact(array), "minItems": array.get("minItems") or 1}
        case {"contentEncoding": "base64"}:
            return {"pattern": BASE64, **schema}
        case dict():
            return {name: _exact(value) for name, value in schema.items()}
        case list():
            return [_exact(value) for value in schema]
    return schema


def _object(required: Json | None = None, optional: Json | None = None) -> Json:
    properties = {**(required or {}), **(optional or {})}
    return {"type": "object", "properties": properties, "required": list(required or ())}


def _answer(table: Table, status: HTTPStatus, name: str | None) -> Json:
    """Describe an answer, which holds this component."""
    answer: Json = {"description": status.phrase}
    if name is not None:
        kind = "problem+json" if name == Details.__name__ else "json"
        answer["content"] = {f"application/{kind}": {"schema": ref(name)}}
    if name == "Written":
        answer |= {"headers": {"Location": _LOCATION}, "links": _links(table)}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        answer["headers"] = {"Retry-After": _RETRY_AFTER}
    if status == HTTPStatus.FORBIDDEN:
        answer["content"]["application/json"] = {"schema": _LOCAL_REFUSAL}
    return answer
