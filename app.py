"""Sluice's Lambda entry points: API, feed, transform and compaction. No logic lives here."""

from collections.abc import Callable
from functools import cache, wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from chalice.app import Chalice, IAMAuthorizer, Request, Response

from chalicelib import web
from chalicelib.attributes import plain
from chalicelib.declared import deployed
from chalicelib.loopback import refuse_foreign
from chalicelib.problems import answering_problems
from chalicelib.transform import deployed_transformer
from chalicelib.web import Contract, View

if TYPE_CHECKING:
    from chalicelib.store import RecordStore
    from chalicelib.validation import Validator

app = Chalice(app_name="sluice")

TABLE = deployed()

SEGMENTS = web.key_segments(TABLE)
ONE_RECORD = "/records/" + "/".join(f"{{{name}}}" for name in SEGMENTS)
# A key may begin with `batch`: its path begins as that to which batches are posted.
ONE_OF_BATCH = ONE_RECORD.replace(f"{{{SEGMENTS[0]}}}", "batch", 1)

OK, CREATED, NO_CONTENT = HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT
OF_RECORD = HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE
OF_PAGE = HTTPStatus.BAD_REQUEST, HTTPStatus.SERVICE_UNAVAILABLE
OF_BODY = *OF_PAGE, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE
"""The statuses of problems with a record in a path, a page, and a request's body."""


def route(method: str, path: str) -> Callable[[View], View]:
    """Register a view that answers its problems, for callers that IAM admits.

    No content types are declared: Chalice would answer a wrong one in a format of its own.
    """

    def register(view: View) -> View:
        @answering_problems
        @wraps(view)
        def admitted(*args: str, **kwargs: str) -> Response:
            refuse_foreign(request())
            return view(*args, **kwargs)

        app.route(path, methods=[method], authorizer=IAMAuthorizer(), content_types=[])(admitted)
        return view

    return register


def request() -> Request:
    """Return the request that a view is answering."""
    return cast(Request, app.current_request)


def store() -> "RecordStore":
    """Return the records' table. It imports boto3, for which a cold transform must not wait."""
    from chalicelib.store import connect

    return connect(TABLE)


@cache
def validator() -> "Validator":
    """Return the reader of records."""
    from chalicelib.validation import Validator

    return Validator(TABLE)


def key(segments: dict[str, str]) -> dict[str, Any]:
    """Return the key that a path's segments name, of which the first may be `batch`."""
    return web.record_key(TABLE, [segments.get(name, "batch") for name in SEGMENTS])


@route("POST", "/records")
@Contract({CREATED: "Written", OK: "Written"}, OF_BODY, body="Record")
def post_record() -> Response:
    """Write one record: 201 when it is new, 200 when it replaces another."""
    record = validator().record(web.json_body(request()))
    created = store().put(record)
    return web.answer(
        record,
        CREATED if created else OK,
        {"Location": web.location(TABLE, request(), record)},
    )


@route("POST", "/records/batch")
@Contract({OK: "Ids"}, OF_BODY, body="Batch")
def post_batch() -> Response:
    """Write up to 500 records, a JSON array: none unless all are valid. Answers their ids."""
    records = validator().batch(web.json_body(request()))
    store().put_all(records)
    return web.answer({"ids": [web.key_values(TABLE, record) for record in records]})


@route("GET", ONE_OF_BATCH)
@route("GET", ONE_RECORD)
@Contract({OK: "Item"}, OF_RECORD)
def get_record(**segments: str) -> Response:
    """Read one record."""
    item = store().get(key(segments))
    if item is None:
        raise web.no_record(TABLE)
    return web.answer(plain(item))


@route("DELETE", ONE_OF_BATCH)
@route("DELETE", ONE_RECORD)
@Contract({NO_CONTENT: None}, OF_RECORD)
def delete_record(**segments: str) -> Response:
    """Delete one record: 204, or 404 when there is none."""
    if not store().delete(key(segments)):
        raise web.no_record(TABLE)
    return Response("", status_code=NO_CONTENT)


@route("GET", "/records")
@Contract({OK: "Page"}, OF_PAGE, parameters=web.PAGE_PARAMETERS)
def list_records() -> Response:
    """Read a page of records: `limit` of them, from where `token`, a nextToken, says."""
    limit, after = web.page(TABLE, request().query_params)
    items, last = store().page(limit, after)
    return web.answer(web.page_body(TABLE, items, last))


@route("GET", "/openapi.json")
@Contract({OK: "Description"})
def get_openapi() -> Response:
    """Describe this API in OpenAPI 3.1."""
    from chalicelib import openapi

    return web.answer(openapi.document(TABLE, app.routes, request().context["path"]))


@app.lambda_function(name="transform")
def transform(event: dict[str, Any], _context: object) -> Any:
    """Answer one Firehose batch."""
    return deployed_transformer()(event)


@app.lambda_function(name="feed")
def feed(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Put a batch of the table's stream into the delivery stream."""
    from chalicelib.feed import deployed_feed

    return deployed_feed()(event, context)


@app.lambda_function(name="compact")
def compact(event: dict[str, Any], context: Any) -> None:
    """Compact the lake as scheduled, or make the compacted tables as the stack is deployed."""
    from chalicelib.compaction import invoked

    invoked(TABLE, event, context.get_remaining_time_in_millis)
