"""Structured logs: one JSON object a line on standard output, where Lambda collects it.

Callers pass identifiers and reasons, never a payload.
"""

import sys
from typing import Any

import msgspec


def log(level: str, message: str, **fields: Any) -> None:
    """Write one log line. Fields must be JSON-ready."""
    document = {"level": level, "message": message, **fields}
    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
