"""The API's description in OpenAPI 3.1: from the routes, the schema and the limits in force.

Only the route that serves it imports this module: a cold transform does not wait for it.
"""

import inspect
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from chalice.app import RouteEntry
from msgspec import UNSET, Struct

from chalicelib.attributes import NUMBER_RULE
from chalicelib.declaration import TIME_FORMATS, VALUE_LENGTH_MAX
from chalicelib.limits import KEY_BYTES_MAX
from chalicelib.problems import Details
from chalicelib.schema import KEY, LAYOUT, Record
from chalicelib.validation import (
    BATCH_BYTES_MAX,
    BATCH_RECORDS_MAX,
    RECORD_BYTES_MAX,
    UNADDRESSABLE_KEYS,
)
from chalicelib.web import PAGE_BYTES_MAX, TOKEN_FORMAT, Contract

Json = dict[str, Any]
"""A JSON object."""

PATH = "/openapi.json"
"""Where the description is served, below the stage."""

PARTITION_FORMAT = "partition-value"
"""The format of a text that names a partition: short enough when percent-encoded."""

INTRODUCTION = f"""Writes records into the table of a Sluice stack, and reads them back.

Numbers stay exact. Of a member that occurs twice in an object the last counts. An id in a path is
percent-encoded UTF-8 of at most {KEY_BYTES_MAX} bytes. API Gateway itself answers 403, also for a
route that does not exist, 429 and 504, and 413 for a body above 10 MB.
"""

OF_EVERY_VIEW = (
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.GATEWAY_TIMEOUT,
)
"""Problems of every view, and of API Gateway, which may refuse any request."""

_KEY = {"type": "string", "minLength": 1}

_LOCATION = {"description": "The record's path.", "required": True, "schema": {"type": "string"}}

_RETRY_AFTER = {"description": "Seconds, if trying again may help.", "schema": {"type": "integer"}}

_LOCAL_REFUSAL = {
    "description": "What `chalice local` answers by itself.",
    "type": "object",
    "properties": {"message": {"type": ["string", "null"]}},
}


def document(routes: Mapping[str, Mapping[str, RouteEntry]], path: str = PATH) -> Json:
    """Return the description of an app's `routes`, requested at this path, including the stage.

    Raises KeyError for a view without a contract.
    """
    return {
        "openapi": "3.1.0",
        "info": {"title": "Sluice", "version": "1", "description": INTRODUCTION},
        "servers": [{"url": path.removesuffix(PATH) or "/"}],
        "security": [{"sigv4": []}],
        "paths": {
            path: {method.lower(): _operation(route) for method, route in methods.items()}
            for path, methods in routes.items()
        },
        "components": {
            "schemas": schemas(),
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


def schemas(record_type: type[Struct] = Record, layout: Sequence[str] = LAYOUT) -> Json:
    """Return the components: the structs as msgspec describes them, and those of the API."""
    _, structs = msgspec.json.schema_components(
        [record_type, Details], ref_template="#/components/schemas/{name}"
    )
    for struct in structs.values():
        struct["additionalProperties"] = False
    record = structs.pop(record_type.__name__)
    key = record["properties"][KEY]
    key |= {"minLength": max(1, key.get("minLength", 1)), "not": {"enum": UNADDRESSABLE_KEYS}}
    fields = msgspec.structs.fields(record_type)
    for field in fields:
        if field.name in layout and field.name not in TIME_FORMATS:
            _as_partition(record["properties"][field.encode_name])
    components: Json = {
        **structs,
        "Record": {
            **record,
            "description": f"A record to write: at most {RECORD_BYTES_MAX} bytes of JSON.",
        },
        "Batch": {
            "description": "Records of different ids, of which none is written unless all are "
            f"valid: at most {BATCH_BYTES_MAX} bytes of JSON.",
            "type": "array",
            "minItems": 1,
            "maxItems": BATCH_RECORDS_MAX,
            "items": _ref("Record"),
        },
        "Written": {
            "description": "A record with what the API filled in.",
            **_ref("Record"),
            "required": [field.encode_name for field in fields if field.default is not UNSET],
        },
        "Ids": {
            "description": "The ids of a batch's records, in its order.",
            **_object(required={"ids": {"type": "array", "items": _KEY}}),
        },
        "Item": {
            "description": "A record as the table holds it: as the API wrote it, or with the "
            "attributes that another writer gave it.",
            "anyOf": [_ref("Written"), _object(required={KEY: _KEY})],
        },
        "Page": {
            "description": f"Records, of {PAGE_BYTES_MAX} bytes in all unless there is only one, "
            "and where the next page begins unless it is the last.",
            **_object(
                required={"records": {"type": "array", "items": _ref("Item")}},
                optional={"nextToken": {"type": "string", "format": TOKEN_FORMAT}},
            ),
        },
        "Description": {"type": "object"},
    }
    return {name: _exact(component) for name, component in components.items()}


def _operation(route: RouteEntry) -> Json:
    """Describe one method of one path."""
    contract: Contract = vars(route.view_function)["contract"]
    in_path = {"in": "path", "required": True, "schema": _KEY}
    problems = [*contract.problems, *OF_EVERY_VIEW]
    operation: Json = {
        "operationId": _operation_id(route.method, route.uri_pattern),
        "summary": inspect.getdoc(route.view_function),
        "parameters": [
            *({"name": name, **in_path} for name in route.view_args),
            *contract.parameters,
        ],
        "responses": {
            **{str(each.value): _answer(each, name) for each, name in contract.answers.items()},
            **{str(each.value): _answer(each, Details.__name__) for each in problems},
        },
    }
    if contract.body is not None:
        content = {"application/json": {"schema": _ref(contract.body)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _operation_id(method: str, path: str) -> str:
    return method.lower() + re.sub(r"\W+", "_", path).rstrip("_")


_LINKS = {
    method: {
        "operationId": _operation_id(method, f"/records/{{{KEY}}}"),
        "parameters": {KEY: f"$response.body#/{KEY}"},
    }
    for method in ("get", "delete")
}


def _as_partition(schema: Json) -> None:
    """Add the rules of a partition's name to a field's schema."""
    schema["minLength"] = max(1, schema.get("minLength", 1))
    schema["maxLength"] = min(VALUE_LENGTH_MAX, schema.get("maxLength", VALUE_LENGTH_MAX))
    schema["format"] = PARTITION_FORMAT
    rule = f"At most {VALUE_LENGTH_MAX} characters once percent-encoded."
    schema["description"] = f"{schema.get('description', '')} {rule}".lstrip()


def _exact(schema: Any) -> Any:
    """Return a schema in which decimals may also be numbers, as the API takes and returns them."""
    match schema:
        case {"type": "string", "format": "decimal"}:
            rule = f"A number of {NUMBER_RULE}."
            return {"description": rule, **schema, "type": ["number", "string"]}
        case dict():
            return {name: _exact(value) for name, value in schema.items()}
        case list():
            return [_exact(value) for value in schema]
    return schema


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: Json | None = None, optional: Json | None = None) -> Json:
    properties = {**(required or {}), **(optional or {})}
    return {"type": "object", "properties": properties, "required": list(required or ())}


def _answer(status: HTTPStatus, name: str | None) -> Json:
    """Describe an answer, which holds this component."""
    answer: Json = {"description": status.phrase}
    if name is not None:
        kind = "problem+json" if name == Details.__name__ else "json"
        answer["content"] = {f"application/{kind}": {"schema": _ref(name)}}
    if name == "Written":
        answer |= {"headers": {"Location": _LOCATION}, "links": _LINKS}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        answer["headers"] = {"Retry-After": _RETRY_AFTER}
    if status == HTTPStatus.FORBIDDEN:
        answer["content"]["application/json"] = {"schema": _LOCAL_REFUSAL}
    return answer
