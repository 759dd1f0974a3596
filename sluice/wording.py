"""Numbers, times and text from outside, as people read them."""

import json
from datetime import datetime


def counted(count: int, noun: str) -> str:
    """Return a number of things: `1 record`, `2,000 records`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def age(then: datetime, now: datetime) -> str:
    """Return how long ago a moment was: `90 s ago`, `5 min ago`."""
    seconds = max(0, round((now - then).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def printable(text: str) -> str:
    """Return text from outside for a terminal: what cannot be printed is escaped as in JSON.

    So a JSON document that was escaped still says the same.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)
