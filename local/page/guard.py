"""The page's guard, beyond that of every local server: its headers, and posts of its own."""

from collections.abc import Mapping

from chalicelib.loopback import refusal

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


def refuse(method: str, headers: Mapping[str, str]) -> str | None:
    """Return the reason for refusing a request of the page, or None.

    A browser sends one of two headers with every post; a client that sends neither is refused.
    """
    if reason := refusal(method, headers):
        return reason
    if method in ("GET", "HEAD") or "origin" in headers or "sec-fetch-site" in headers:
        return None
    return "This server takes requests only from its own pages."
