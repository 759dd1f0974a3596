"""Structured logs: one JSON object a line on standard output, where Lambda collects it.

Callers pass identifiers and reasons, never a payload.
"""

import sys
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

Level = Literal["INFO", "WARN", "ERROR"]
"""Lambda's levels; it takes any other, and a line without a timestamp, for INFO
(https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html)."""


def log(level: Level, message: str, **fields: Any) -> None:
    """Write one log line. Fields must be JSON-ready."""
    document = {"timestamp": datetime.now(UTC), "level": level, "message": message, **fields}
    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
