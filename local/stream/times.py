"""How AWS spells a moment in what it says of a batch."""

from datetime import UTC, datetime
from typing import Literal


def utc(seconds: float, precision: Literal["seconds", "milliseconds"]) -> str:
    """Return an epoch second as ISO 8601, in UTC."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec=precision)
    return text.replace("+00:00", "Z")
