"""The guard before every server of the local run: only this machine's programs pass."""

from collections.abc import Callable, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chalicelib.loopback import refusal

Refuse = Callable[[str, Mapping[str, str]], str | None]
"""Returns the reason for refusing a request, by its method and headers; or None."""


class Guard:
    """ASGI middleware: refuses foreign requests, and adds headers to every answer."""

    def __init__(
        self, app: ASGIApp, refuse: Refuse = refusal, headers: Mapping[str, str] | None = None
    ) -> None:
        self._app = app
        self._refuse = refuse
        self._headers = headers or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        # A WebSocket opens with a GET, which has no method of its own here.
        reason = self._refuse(scope.get("method", "GET"), Headers(scope=scope))
        if reason is None:
            await self._app(scope, receive, send_guarded)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            await PlainTextResponse(f"{reason}\n", 403)(scope, receive, send_guarded)
