"""Snapshots and answers as HTML. Every value is escaped by the templates."""

from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from chalicelib.partitions import DATA_PREFIX
from local.page import heat
from local.page.drawing import TALL, WIDE
from local.page.snapshot import Snapshot

REGIONS = ("notices", "flow", "latest", "heat", "quarantine", "journeys")
"""The parts of the page that change by themselves: a template and an element's id each."""


class Views:
    """Renders the templates."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(Path(__file__).with_name("templates")),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            clock=clock, count=count, rate=rate, size=size, folder=folder, payload=payload
        )

    def regions(self, snapshot: Snapshot) -> dict[str, str]:
        """The HTML of every region."""
        grid = heat.grid(snapshot.lake.partitions)
        return {
            name: self.render(
                name, snapshot=snapshot, heat=grid, drawings=(WIDE, TALL), rates=snapshot.rates
            )
            for name in REGIONS
        }

    def render(self, name: str, **values: Any) -> str:
        """The HTML of a template."""
        return self._environment.get_template(f"{name}.html").render(values)


def clock(epoch_seconds: float) -> str:
    """A time of day, UTC."""
    return f"{datetime.fromtimestamp(epoch_seconds, UTC):%H:%M:%S}"


def count(number: int) -> str:
    """A whole number with its thousands apart."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def rate(per_second: float) -> str:
    """Records a second, in few characters."""
    return f"{per_second:.0f}/s" if per_second >= 10 else f"{per_second:.1f}/s"


def size(number: float) -> str:
    """Bytes, in a unit that fits."""
    for unit in ("bytes", "KB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def folder(key: str) -> str:
    """The partition of a key or a prefix for people: its site and its time, or its error type."""
    prefix = key.rpartition("/")[0]
    if not prefix.startswith(DATA_PREFIX.rstrip("/")):
        return " \N{MIDDLE DOT} ".join(prefix.split("/")[:2])
    site, times = heat.split(prefix)
    moment = "-".join(times[:3]) + (" " + ":".join(times[3:]) if times[3:] else "")
    return " \N{MIDDLE DOT} ".join(filter(None, (site, moment)))


def payload(raw_data: str | None) -> str:
    """What was put, as text; what is no UTF-8 shows as replacement characters."""
    return b64decode(raw_data).decode(errors="replace")[:2000] if raw_data else ""
