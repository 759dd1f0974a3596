"""Who may talk to the servers of the local run: programs on this machine, and their own pages.

None of them checks a signature. A web page elsewhere could reach them through a browser on this
machine, by DNS rebinding or by a request across origins. The first names another host, the second
another origin, and a browser says of each request whether another site makes it.
"""

import os
import re
from collections.abc import Mapping
from http import HTTPStatus

from chalice.app import Request

from chalicelib.errors import Problem

LOOPBACK_HOST = re.compile(r"(127\.0\.0\.1|localhost)(:[0-9]+)?", re.IGNORECASE)
OTHER_HOST = "This server answers only for 127.0.0.1 and localhost."
BROWSERS_ONLY = ("origin", "referer", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest")
OTHER_PAGE = "This server does not answer web pages of other sites and ports."


def refusal(
    method: str,
    headers: Mapping[str, str],
    hosts: re.Pattern[str] = LOOPBACK_HOST,
    browsers: bool = True,
) -> str | None:
    """Return the reason for refusing a request, or None.

    `headers` ignores case. A link elsewhere may open what has an address, if a GET changes nothing.
    Without `browsers` only programs are served: a link in a mail opens an address as if its user
    had typed it, and only a browser sends these headers.
    """
    host = headers.get("host", "")
    if not hosts.fullmatch(host):
        return OTHER_HOST
    if not browsers and any(name in headers for name in BROWSERS_ONLY):
        return OTHER_PAGE
    if headers.get("origin", f"http://{host}") != f"http://{host}":
        return OTHER_PAGE
    navigates = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
    if navigates:
        return None
    own_site = headers.get("sec-fetch-site", "none") in ("same-origin", "none")
    return None if own_site else OTHER_PAGE


def refuse_foreign(request: Request) -> None:
    """Raise a Problem under `chalice local` for a request of another host or site.

    On AWS, IAM admits callers before any code runs, so nothing is checked.
    """
    if os.environ.get("AWS_CHALICE_CLI_MODE") != "true":  # Chalice's command line sets it.
        return
    if reason := refusal(request.method, request.headers):
        raise Problem(HTTPStatus.FORBIDDEN, reason)
