"""Handlers around the deployed functions that break their contract, each in one way.

The tests put this module into a layer beside the function's own code, and name a handler of it.
"""

import os
import signal
import time
from typing import Any

from app import feed, transform

Event = dict[str, Any]
Response = dict[str, Any]


def raising(_event: Event, _context: object) -> Response:
    raise RuntimeError("a fault")


def sleeping(_event: Event, _context: object) -> Response:
    time.sleep(60)
    return {}


def too_much(event: Event, context: object) -> Response:
    """An answer for a record that was never asked for, beside the real ones."""
    records = transform(event, context)["records"]
    return {"records": [{**records[0], "recordId": "0"}, *records]}


def too_little(event: Event, context: object) -> Response:
    """Every second answer is missing."""
    return {"records": transform(event, context)["records"][::2]}


def twice(event: Event, context: object) -> Response:
    """Every second answer is given twice."""
    records = transform(event, context)["records"]
    return {"records": [*records, *records[::2]]}


def reverse(event: Event, context: object) -> Response:
    return {"records": transform(event, context)["records"][::-1]}


def oversized(event: Event, context: object) -> Response:
    """More than the 6 MB that Lambda answers."""
    return {**transform(event, context), "padding": "x" * 7_000_000}


def dying(event: Event, context: object) -> Response:
    """Lambda never hears of what Firehose took."""
    feed(event, context)
    os.kill(os.getpid(), signal.SIGKILL)
    return {}
