"""The guard of the page: it answers only browsers on this machine, from pages of this server.

A web page elsewhere could reach a server on loopback through the browser, by DNS rebinding or by a
form. The first names another host, the second another origin; both are refused.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chalicelib.loopback import LOOPBACK_HOST, OTHER_HOST

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """ASGI middleware: refuses foreign requests, and sets the headers of every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        reason = _refusal(scope["method"], Headers(scope=scope))
        app = PlainTextResponse(f"{reason}\n", 403) if reason else self._app
        await app(scope, receive, send_guarded)


def _refusal(method: str, headers: Headers) -> str | None:
    """Return the reason for refusing a request, or None."""
    host = headers.get("Host", "")
    if not LOOPBACK_HOST.fullmatch(host):
        return OTHER_HOST
    site = headers.get("Sec-Fetch-Site", "none")
    opened = method == "GET" and headers.get("Sec-Fetch-Mode") == "navigate"
    if site not in ("same-origin", "none") and not opened:
        return "This server answers only its own pages."
    if method in ("GET", "HEAD"):
        return None
    origin = headers.get("Origin")
    # A browser sends one of the two with every post; a client that sends neither is refused.
    own = origin == f"http://{host}" if origin else "Sec-Fetch-Site" in headers
    return None if own else "This server takes requests only from its own pages."
