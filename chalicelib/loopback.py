"""Access to `chalice local`, which checks no signature: only for programs on this machine.

A web page elsewhere could reach it through a browser on this machine, by DNS rebinding or by a
request across origins. The first names another host, the second another origin.
"""

import os
import re
from http import HTTPStatus

from chalice.app import Request

from chalicelib.errors import Problem

LOOPBACK_HOST = re.compile(r"(127\.0\.0\.1|localhost)(:[0-9]+)?")
OTHER_HOST = "This server answers only for 127.0.0.1 and localhost."


def refuse_foreign(request: Request) -> None:
    """Raise a Problem under `chalice local` for a request of another host or origin.

    On AWS, IAM admits callers before any code runs, so nothing is checked.
    """
    if os.environ.get("AWS_CHALICE_CLI_MODE") != "true":  # Chalice's command line sets it.
        return
    if not LOOPBACK_HOST.fullmatch(request.headers.get("host", "")):
        raise Problem(HTTPStatus.FORBIDDEN, OTHER_HOST)
    origin = request.headers.get("origin")
    if origin is not None and not LOOPBACK_HOST.fullmatch(origin.removeprefix("http://")):
        raise Problem(HTTPStatus.FORBIDDEN, "This server does not answer web pages of other hosts.")
