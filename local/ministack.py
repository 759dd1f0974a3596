"""`python -m local.ministack`: MiniStack behind the guard, served as its own command serves it.

MiniStack answers every host and origin, and runs functions as processes of whoever started it.
"""

import re
from functools import partial

import ministack.app

from chalicelib.loopback import refusal
from local.gateway import EncodedPaths
from local.guard import Guard

HOSTS = re.compile(r"(127\.0\.0\.1|([a-z0-9.-]+\.)?localhost)(:[0-9]+)?", re.IGNORECASE)
"""The names of loopback by which AWS clients call: `bucket.localhost`, too, is no other machine."""

refuse = partial(refusal, hosts=HOSTS, browsers=False)
"""AWS's query protocol changes state by GET, so no link may open an address here."""


if __name__ == "__main__":
    ministack.app.app = Guard(EncodedPaths(ministack.app.app), refuse)
    ministack.app.main()
