"""The page's server: one collector, its broadcast to all listeners, and the actions of a person."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from botocore.exceptions import BotoCoreError, ClientError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from chalicelib.catalog import ALL_CHANGES, quoted, sql_name
from chalicelib.declaration import Table
from local.guard import Guard
from local.page import form
from local.page.broadcast import Broadcast
from local.page.collector import Collector
from local.page.commands import ArgumentError, CommandError, SluiceCommand
from local.page.guard import HEADERS, refuse
from local.page.views import Views
from local.routes import WholePath
from sluice.api import Api
from sluice.errors import OperationError, explain
from sluice.query.saved import KEY_PARAMETERS, SavedQuery, saved_queries
from sluice.stack import Stack

BODY_BYTES_MAX = 1024 * 1024
"""Of a posted form: above three times Athena's limit for SQL, for each byte may be an escape."""
SEED_RECORDS = 200
STOP_SECONDS = 5

QUERY_SECONDS = 50
"""Of a query at most: the page's script waits a minute for an answer."""

BROKEN = b'{"this": "is not a change of the table"}'
"""A record that the transform cannot read, and so answers with ProcessingFailed."""

Action = Callable[[Mapping[str, str]], Awaitable[Response]]


class PageRoutes:
    """The page's routes and what they do."""

    def __init__(
        self,
        stack: Stack,
        table: Table,
        api: Api,
        sluice: SluiceCommand,
        views: Views,
        broadcast: Broadcast,
        collector: Collector,
        queries: Callable[[Table], Mapping[str, SavedQuery]] = saved_queries,
    ) -> None:
        self._stack = stack
        self._table = table
        self._api = api
        self._sluice = sluice
        self._views = views
        self._broadcast = broadcast
        self._collector = collector
        self._queries = queries
        self._forms = {shape.kind: form.fields(shape) for shape in table.accepted_shapes}
        self._place = form.place_reader(table)
        self._replaying = asyncio.Lock()

    def application(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                WholePath("/", self._home),
                WholePath("/events", self._events),
                WholePath("/form", self._form),
                *map(self._posting, self._forms),
                WholePath("/broken", self._action(self._break), methods=["POST"]),
                WholePath("/seed", self._action(self._seed), methods=["POST"]),
                WholePath("/replay", self._action(self._replay), methods=["POST"]),
                WholePath("/query", self._action(self._query, is_stoppable=True), methods=["POST"]),
                WholePath("/queries", self._saved_query),
                Mount("/static", StaticFiles(directory=Path(__file__).with_name("static"))),
            ],
            middleware=[Middleware(Guard, refuse, HEADERS)],
        )

    async def _home(self, _: Request) -> Response:
        return self._html(
            "page",
            stack_name=self._stack.name,
            kinds=list(self._forms),
            **self._form_of(next(iter(self._forms))),
            regions=self._broadcast.regions,
            queries=self._queries(self._table).values(),
            group=self._table.group.name if self._table.group else "",
            key=dict(zip(KEY_PARAMETERS, self._table.key_names, strict=False)),
            parameters=parameters(self._table),
            sql=first_query(self._table),
        )

    async def _events(self, _: Request) -> Response:
        return StreamingResponse(self._broadcast.messages(), media_type="text/event-stream")

    async def _form(self, request: Request) -> Response:
        kind = request.query_params.get("kind", "")
        if kind not in self._forms:
            return self._refused(HTTPStatus.NOT_FOUND, "There is no such kind of record.")
        return self._html("form", **self._form_of(kind))

    def _posting(self, kind: str) -> WholePath:
        act = self._action(partial(self._post, kind))
        return WholePath(posting_path(kind), act, methods=["POST"])

    def _form_of(self, kind: str) -> dict[str, Any]:
        return {"action": posting_path(kind), "fields": self._forms[kind]}

    async def _post(self, kind: str, values: Mapping[str, str]) -> Response:
        try:
            record = form.record(values, self._forms[kind])
        except ValueError as error:
            return self._refused(HTTPStatus.BAD_REQUEST, str(error))
        try:
            status, answer = await asyncio.to_thread(self._api.send, "POST", "/records", record)
        except OperationError as error:
            return self._refused(HTTPStatus.BAD_GATEWAY, str(error))
        if status >= HTTPStatus.BAD_REQUEST:
            errors = [
                (str(each.get("pointer", "")).removeprefix("#/"), str(each.get("detail", "")))
                for each in answer.get("errors", [])
            ]
            detail = str(answer.get("detail") or answer.get("message") or "The API refused it.")
            if errors:
                detail = "The form breaks these rules; nothing was written."
            return self._refused(HTTPStatus(status), detail, errors)
        key, folder = self._place(answer)
        self._collector.follow(key, folder)
        return self._html("posted", new=status == HTTPStatus.CREATED, key=key)

    async def _break(self, _: Mapping[str, str]) -> Response:
        try:
            await asyncio.to_thread(
                self._stack.firehose.put_record,
                DeliveryStreamName=self._stack.output("StreamName"),
                Record={"Data": BROKEN},
            )
        except (BotoCoreError, ClientError) as error:
            reason = f"Firehose did not accept it: {explain(error)}"
            return self._refused(HTTPStatus.BAD_GATEWAY, reason)
        return self._done("A broken record is on its way. It will turn up in the quarantine.")

    async def _seed(self, _: Mapping[str, str]) -> Response:
        arguments = ("--count", str(SEED_RECORDS), "--sites", "8", "--changes", "40")
        more = ("--deletes", "20", "--minutes", "20", "--rate", "60")
        try:
            answer = await self._sluice.run("seed", *arguments, *more, "--json")
        except CommandError as error:
            return self._refused(HTTPStatus.BAD_GATEWAY, str(error))
        return self._done(f"{answer.document['total']} changes were written through the API.")

    async def _replay(self, values: Mapping[str, str]) -> Response:
        code = values.get("error_code", "")
        selection = ("--error-code", code) if code else ()
        async with self._replaying:
            try:
                answer = await self._sluice.run("replay", *selection, "--json")
            except ArgumentError as error:
                return self._refused(HTTPStatus.BAD_REQUEST, str(error))
            except CommandError as error:
                return self._refused(HTTPStatus.BAD_GATEWAY, str(error))
            finally:
                self._collector.look_again()
        return self._html("replayed", replayed=answer.document)

    async def _query(self, values: Mapping[str, str]) -> Response:
        sql = values.get("sql", "").strip()
        if not sql:
            return self._refused(HTTPStatus.BAD_REQUEST, "There is no SQL to run.")
        saved = self._queries(self._table).get(values.get("name", ""))
        is_saved = saved is not None and saved.sql.strip() == sql.replace("\r\n", "\n")
        question = saved.name if saved and is_saved else "-"
        options = narrowing(self._table, values)
        try:
            answer = await self._sluice.run(
                *("query", "--json", "--max-seconds", str(QUERY_SECONDS)),
                *(*options, question),
                standard_input="" if is_saved else sql,
            )
        except CommandError as error:
            return self._refused(HTTPStatus.BAD_REQUEST, str(error))
        return HTMLResponse(self._views.result(answer.document, answer.notes))

    async def _saved_query(self, request: Request) -> Response:
        saved = self._queries(self._table).get(request.query_params.get("name", ""))
        return self._html("sql", sql=saved.sql.strip() if saved else "")

    def _action(
        self, act: Action, is_stoppable: bool = False
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return an endpoint that passes the fields of a posted form to an action.

        One that is stoppable ends when the browser waits no more.
        """

        async def endpoint(request: Request) -> Response:
            body = bytearray()
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_BYTES_MAX:
                    return self._refused(
                        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                        f"The form has more than {BODY_BYTES_MAX:,} bytes.",
                    )
            values = dict(parse_qsl(body.decode(errors="replace")))
            return await (while_connected(request, act(values)) if is_stoppable else act(values))

        return endpoint

    def _done(self, sentence: str) -> Response:
        return self._html("done", sentence=sentence)

    def _refused(
        self, status: HTTPStatus, detail: str, errors: list[tuple[str, str]] | None = None
    ) -> Response:
        return self._html("refused", status, detail=detail, errors=errors or [])

    def _html(self, name: str, status: int = HTTPStatus.OK, /, **values: Any) -> Response:
        return HTMLResponse(self._views.render(name, **values), status)


def posting_path(kind: str) -> str:
    """Return the path to which the form of a kind of record is posted."""
    return f"/records/{kind}".rstrip("/")


async def while_connected(request: Request, work: Awaitable[Response]) -> Response:
    """Return what the work answers. It ends with the browser's wait: its tab closed or reloaded.

    The request's body must be read before.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return await working
        return Response(status_code=HTTPStatus.REQUEST_TIMEOUT)
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.wait({working, leaving})


def parameters(table: Table) -> list[str]:
    """Return the parameters that a person's own SQL may name."""
    group = sql_name(table.group.name) if table.group else ""
    of_group = [group, f"{group}_partition"] if group else []
    return [*of_group, *KEY_PARAMETERS[: len(table.key)]]


def narrowing(table: Table, values: Mapping[str, str]) -> list[str]:
    """Return the options of `sluice query` for a form's group and parts of a key."""
    options = []
    if table.group and values.get("group"):
        options.append(f"--where={table.group.name}={values['group']}")
    parts = [values.get(name, "") for name in KEY_PARAMETERS[: len(table.key)]]
    while parts and not parts[-1]:
        parts.pop()
    return [*options, *(f"--key={part}" for part in parts)]


def first_query(table: Table) -> str:
    """Return the SQL that the page begins with: how many changes there are, by group."""
    if table.group is None:
        return f"SELECT count(*) AS changes\nFROM {ALL_CHANGES}"
    column = quoted(sql_name(table.group.name))
    return f"SELECT {column}, count(*) AS changes\nFROM {ALL_CHANGES}\nGROUP BY 1\nORDER BY 1"


class PageServer(uvicorn.Server):
    """Serves the page. Asked to stop, it ends the open event streams, which it would wait for."""

    def __init__(self, page: PageRoutes, broadcast: Broadcast) -> None:
        super().__init__(
            uvicorn.Config(
                page.application(),
                lifespan="off",
                ws="none",
                log_config=None,
                log_level="warning",
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        self._broadcast = broadcast

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop on SIGINT and SIGTERM."""
        super().handle_exit(sig, frame)
        self._broadcast.close()
