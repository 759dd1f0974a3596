"""The API's HTTP: reading requests and writing answers."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import msgspec
from chalice.app import MultiDict, Request, Response

from chalicelib.attributes import item, plain
from chalicelib.declaration import Table
from chalicelib.errors import Invalid, NotFound, Problem
from chalicelib.keys import Item, key_from, path_of, texts_of

View = Callable[..., Response]

LIMIT_DEFAULT = 100
LIMIT_MAX = 1_000

PAGE_BYTES_MAX = 2 * 1024 * 1024
"""Bytes of a page's records. Lambda answers 6 MB at most, and its answer holds the body as a
string, in which characters take up to three times their bytes."""

TOKEN_FORMAT = "page-token"  # noqa: S105
"""The format of a nextToken."""

_LIMIT = {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT}

PAGE_PARAMETERS: list[dict[str, Any]] = [
    {"name": "limit", "in": "query", "schema": _LIMIT},
    {
        "name": "token",
        "in": "query",
        "description": "The nextToken of an earlier page.",
        "schema": {"type": "string", "format": TOKEN_FORMAT},
    },
]
"""What `page` reads, in OpenAPI."""

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_TOKEN = msgspec.json.Decoder(list[str])


class Contract(msgspec.Struct, frozen=True):
    """What a view takes and answers, for the API's description. It decorates the view."""

    answers: Mapping[HTTPStatus, str | None]
    """The component that each answer holds, None for an answer without a body."""
    problems: Sequence[HTTPStatus] = ()
    """The statuses of its own problems, beside those of every view."""
    body: str | None = None
    """The component that the request holds."""
    parameters: Sequence[dict[str, Any]] = ()

    def __call__(self, view: View) -> View:
        """Attach the contract to a view; decorators that copy its attributes keep it."""
        vars(view)["contract"] = self
        return view


def json_body(request: Request) -> bytes:
    """Return the body. Raises a Problem for a content type that is not JSON; a missing one is."""
    content_type = request.headers.get("content-type", "application/json")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "The body must be JSON: send it with the header `Content-Type: application/json`.",
        )
    try:
        body = request.raw_body
    except ValueError:
        raise Invalid(
            "The body is neither base64 nor UTF-8, as it came from the gateway."
        ) from None
    return body if isinstance(body, bytes) else body.encode()


def key_segments(table: Table) -> tuple[str, ...]:
    """Return the names of the key's parts in a path's pattern, where API Gateway allows few."""
    if all(re.fullmatch("[A-Za-z0-9_]+", name) for name in table.key_names):
        return table.key_names
    return tuple(f"key{number}" for number, _ in enumerate(table.key, 1))


def record_key(table: Table, segments: Sequence[str]) -> dict[str, Any]:
    """Return the key in a path. API Gateway and `chalice local` both pass it percent-encoded.

    Raises NotFound for a key that no record can have.
    """
    try:
        return key_from(table, [unquote(segment, errors="strict") for segment in segments])
    except UnicodeDecodeError:
        reason = "The key in the path is not UTF-8"
    except ValueError as error:
        reason = f"In the path, {error}"
    raise NotFound(f"{reason}, so there is no such record.")


def no_record(table: Table) -> NotFound:
    """Return the problem that no record has the key in a path."""
    return NotFound(f"There is no record with this {' and '.join(table.key_names)}.")


def page(table: Table, parameters: MultiDict | None) -> tuple[int, dict[str, Any] | None]:
    """Return the `limit` of a page, and the key in its `token`, which it follows.

    Raises Invalid.
    """
    query = parameters or MultiDict({})
    broken = []
    if not query.keys() <= {"limit", "token"}:
        broken.append("The only parameters are limit and token.")
    broken += [
        f"The parameter {name} occurs twice." for name in query if len(query.getlist(name)) > 1
    ]
    limit = query.get("limit", str(LIMIT_DEFAULT))
    if not re.fullmatch("[0-9]{1,4}", limit) or not 1 <= int(limit) <= LIMIT_MAX:
        broken.append(f"The parameter limit must be an integer from 1 to {LIMIT_MAX}.")
    after = None
    if "token" in query:
        try:
            after = _read_token(table, query["token"])
        except ValueError:
            broken.append("The parameter token must be the nextToken of an earlier page.")
    if broken:
        raise Invalid(" ".join(broken))
    return int(limit), after


def page_body(table: Table, items: Sequence[Item], last: Item | None) -> dict[str, Any]:
    """Return the body of a page of items, shortened to fit in an answer, with at least one item.

    `last` is the key that the next page comes after, None when the items are the last there are.
    """
    records: list[msgspec.Raw] = []
    size = 0
    for each in items:
        record = _ENCODER.encode(plain(each))
        size += len(record)
        if records and size > PAGE_BYTES_MAX:
            last = items[len(records) - 1]
            break
        records.append(msgspec.Raw(record))
    if last is None:
        return {"records": records}
    return {"records": records, "nextToken": token(texts_of(table, last))}


def token(after: Sequence[str]) -> str:
    """Return the opaque token of the page that follows the record with this key, as texts."""
    return urlsafe_b64encode(msgspec.json.encode(after)).decode().rstrip("=")


def _read_token(table: Table, text: str) -> dict[str, Any]:
    key = key_from(table, _TOKEN.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4))))
    if token(texts_of(table, key)) != text:
        raise ValueError("no page ends like this")
    return key


def location(table: Table, request: Request, record: Mapping[str, Any]) -> str:
    """Return the path of a record posted to this request's path, including API Gateway's stage."""
    return f"{request.context['path'].rstrip('/')}/{path_of(table, item(record))}"


def key_values(table: Table, record: Mapping[str, Any]) -> Any:
    """Return the key of a record as an answer has it: its value, or an array of two."""
    values = [record[name] for name in table.key_names]
    return values if len(values) > 1 else values[0]


def answer(
    body: Any, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None
) -> Response:
    """Return an answer with a JSON body."""
    return Response(
        _ENCODER.encode(body).decode(),
        {"Content-Type": "application/json", **(headers or {})},
        status.value,
    )
