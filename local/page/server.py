"""The page's server: one collector, its feed for all listeners, and what a person can do."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import urllib3
import uvicorn
from botocore.exceptions import BotoCoreError, ClientError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from chalicelib.partitions import partitioner, path
from chalicelib.schema import KEY, Record
from local.page import form
from local.page.collector import Collector
from local.page.commands import ArgumentError, CommandError, Sluice
from local.page.entrance import Entrance
from local.page.feed import Feed
from local.page.guard import Guard
from local.page.queries import Result, SavedQueries
from local.page.views import Views

BODY_BYTES_MAX = 1024 * 1024
"""Of a posted form: above three times what Athena takes of SQL, for each byte may be an escape."""
SEED_RECORDS = 200
STOP_SECONDS = 5

FIRST_QUERY = """SELECT siteid, count(*) AS changes
FROM all_changes
GROUP BY 1
ORDER BY 1"""

Action = Callable[[Mapping[str, str]], Awaitable[Response]]


class Page:
    """What the routes do."""

    def __init__(
        self,
        stack_name: str,
        views: Views,
        feed: Feed,
        collector: Collector,
        entrance: Entrance,
        sluice: Sluice,
        queries: SavedQueries,
    ) -> None:
        self._stack_name = stack_name
        self._views = views
        self._feed = feed
        self._collector = collector
        self._entrance = entrance
        self._sluice = sluice
        self._queries = queries
        self._fields = form.fields()
        self._partition = partitioner()
        self._replaying = asyncio.Lock()

    def application(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/", self._home),
                Route("/events", self._events),
                Route("/records", self._action(self._post), methods=["POST"]),
                Route("/broken", self._action(self._break), methods=["POST"]),
                Route("/seed", self._action(self._seed), methods=["POST"]),
                Route("/replay", self._action(self._replay), methods=["POST"]),
                Route("/query", self._action(self._query), methods=["POST"]),
                Route("/queries", self._saved_query),
                Mount("/static", StaticFiles(directory=Path(__file__).with_name("static"))),
            ],
            middleware=[Middleware(Guard)],
        )

    async def _home(self, _: Request) -> Response:
        return self._html(
            "page",
            stack_name=self._stack_name,
            fields=self._fields,
            regions=self._feed.regions,
            queries=self._queries.all(),
            sql=FIRST_QUERY,
        )

    async def _events(self, _: Request) -> Response:
        return StreamingResponse(self._feed.messages(), media_type="text/event-stream")

    async def _post(self, values: Mapping[str, str]) -> Response:
        record = form.record(values, self._fields)
        try:
            status, answer = await asyncio.to_thread(self._entrance.post, record)
        except urllib3.exceptions.HTTPError as error:
            return self._refused(HTTPStatus.BAD_GATEWAY, f"The API does not answer: {error}")
        if status >= HTTPStatus.BAD_REQUEST:
            errors = [
                (str(each.get("pointer", "")).removeprefix("#/"), str(each.get("detail", "")))
                for each in answer.get("errors", [])
            ]
            detail = str(answer.get("detail") or answer.get("message") or "The API refused it.")
            return self._refused(HTTPStatus(status), detail, errors)
        stored = msgspec.convert(answer, Record)
        self._collector.follow(getattr(stored, KEY), path(self._partition(stored)))
        return self._html(
            "posted", new=status == HTTPStatus.CREATED, record_id=getattr(stored, KEY)
        )

    async def _break(self, _: Mapping[str, str]) -> Response:
        try:
            await asyncio.to_thread(self._entrance.put_broken)
        except (BotoCoreError, ClientError) as error:
            return self._refused(HTTPStatus.BAD_GATEWAY, f"Firehose does not take it: {error}")
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
        chosen = ("--error-code", code) if code else ()
        async with self._replaying:
            try:
                answer = await self._sluice.run("replay", *chosen, "--json")
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
        saved = self._queries.named(values.get("name", ""))
        if saved and saved.sql == sql.replace("\r\n", "\n"):
            question, given = saved.name, ""
        else:
            question, given = "-", sql
        chosen = [f"--{name}={values[name]}" for name in ("site", "key") if values.get(name)]
        try:
            answer = await self._sluice.run("query", "--json", *chosen, question, given=given)
        except CommandError as error:
            return self._refused(HTTPStatus.BAD_REQUEST, str(error))
        return self._html("result", result=Result.of(answer.document), notes=answer.notes)

    async def _saved_query(self, request: Request) -> Response:
        saved = self._queries.named(request.query_params.get("name", ""))
        return self._html("sql", sql=saved.sql if saved else "")

    def _action(self, act: Action) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint that hands the fields of a posted form to an action."""

        async def endpoint(request: Request) -> Response:
            body = bytearray()
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_BYTES_MAX:
                    return self._refused(
                        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                        f"The form has more than {BODY_BYTES_MAX:,} bytes.",
                    )
            return await act(dict(parse_qsl(body.decode(errors="replace"))))

        return endpoint

    def _done(self, sentence: str) -> Response:
        return self._html("done", sentence=sentence)

    def _refused(
        self, status: HTTPStatus, detail: str, errors: list[tuple[str, str]] | None = None
    ) -> Response:
        return self._html("refused", status, detail=detail, errors=errors or [])

    def _html(self, name: str, status: int = HTTPStatus.OK, /, **values: Any) -> Response:
        return HTMLResponse(self._views.render(name, **values), status)


class Server(uvicorn.Server):
    """Serves a page. It ends the open event streams when it is told to stop: it waits for them."""

    def __init__(self, page: Page, feed: Feed) -> None:
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
        self._feed = feed

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop, as SIGINT and SIGTERM ask for."""
        super().handle_exit(sig, frame)
        self._feed.close()
