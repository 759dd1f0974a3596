"""API Gateway's way with a path, in front of the emulator, which decodes it before it is matched.

API Gateway matches a path as it came, percent-encoded, and passes it on so. There a key with a
slash is one segment, `a%2Fb`.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

API = "/restapis/"
"""How the emulator's paths of REST APIs begin."""


class EncodedPaths:
    """ASGI middleware: leaves the paths of REST APIs percent-encoded."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http" and scope["path"].startswith(API):
            scope = {**scope, "path": scope["raw_path"].decode("ascii")}
        await self._app(scope, receive, send)
