"""Snapshots and answers as HTML. Every value is escaped by the templates."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.filesize import decimal

from chalicelib.declaration import Table
from chalicelib.partitions import DATA_PREFIX
from local.page import heat
from local.page.drawing import TALL, WIDE
from local.page.snapshot import Snapshot

REGIONS = ("notices", "flow", "latest", "heat", "quarantine", "journeys")
"""The parts of the page that change by themselves: a template and an element's id each."""


class Views:
    """Renders the templates."""

    def __init__(self, table: Table) -> None:
        self._group = table.group.name if table.group else ""
        self._environment = Environment(
            loader=FileSystemLoader(Path(__file__).with_name("templates")),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            clock=clock, count=count, rate=rate, size=decimal, folder=folder, payload=payload
        )

    def regions(self, snapshot: Snapshot) -> dict[str, str]:
        """Return the HTML of every region."""
        grid = heat.grid(snapshot.lake.partitions, self._group)
        return {
            name: self.render(name, snapshot=snapshot, heat=grid, drawings=(WIDE, TALL))
            for name in REGIONS
        }

    def result(self, rows: Sequence[Mapping[str, Any]], notes: Sequence[str]) -> str:
        """Return the HTML of a query's rows and of the notes on them."""
        columns = list(rows[0]) if rows else []
        numeric = {column: _is_numeric([row[column] for row in rows]) for column in columns}
        return self.render("result", rows=rows, columns=columns, numeric=numeric, notes=notes)

    def render(self, name: str, **values: Any) -> str:
        """Return the HTML of a template."""
        return self._environment.get_template(f"{name}.html").render(values)


def _is_numeric(values: Sequence[Any]) -> bool:
    """Whether a column holds nothing but numbers, and at least one."""
    present = [value for value in values if value is not None]
    return bool(present) and all(type(value) in (int, float) for value in present)


def clock(epoch_seconds: float) -> str:
    """Return a time of day, UTC."""
    return f"{datetime.fromtimestamp(epoch_seconds, UTC):%H:%M:%S}"


def count(number: int) -> str:
    """Return a whole number with its thousands apart."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def rate(per_second: float) -> str:
    """Return records a second, in few characters."""
    return f"{per_second:.0f}/s" if per_second >= 10 else f"{per_second:.1f}/s"


def folder(key: str) -> str:
    """Return the values and the time of a key's or a prefix's partition, or its error type."""
    prefix = key.rpartition("/")[0]
    if not prefix.startswith(DATA_PREFIX.rstrip("/")):
        return " \N{MIDDLE DOT} ".join(prefix.split("/")[:2])
    times = heat.times_of(prefix)
    moment = "-".join(times[:3]) + (" " + ":".join(times[3:]) if times[3:] else "")
    return " \N{MIDDLE DOT} ".join(filter(None, (*heat.values_of(prefix), moment)))


def payload(content: bytes | None) -> str:
    """Return the start of a record as text; bytes that are not UTF-8 are replaced."""
    return content.decode(errors="replace")[:2000] if content else ""
