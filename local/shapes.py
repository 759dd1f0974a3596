"""The demonstration of several declarations, as one table."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.table import Table as TextTable

from chalicelib.declaration import Table
from local.demo import Outcome


@dataclass(frozen=True, slots=True)
class Shape:
    """A declaration, and what came of its demonstration."""

    name: str
    table: Table | None
    """None for a declaration that is wrong."""
    outcome: Outcome | None
    """None for a demonstration that ended with an error."""
    seconds: float

    @property
    def is_complete(self) -> bool:
        """Whether all that came out was right."""
        return self.outcome is not None and self.outcome.is_complete


def shapes_table(shapes: Iterable[Shape]) -> TextTable:
    """Return a row for each declaration."""
    table = TextTable(box=None, pad_edge=False, header_style="bold")
    for name in ("table", "key", "kinds", "time", "layout"):
        table.add_column(name, overflow="fold")
    for name in ("in", "out", "queries", "verify", "seconds"):
        table.add_column(name, justify="right")
    for shape in shapes:
        declaration = _declaration(shape.table) if shape.table else [""] * 4
        table.add_row(shape.name, *declaration, *_results(shape.outcome), f"{shape.seconds:.0f}")
    return table


def _declaration(table: Table) -> list[str]:
    times = (f"{each.field} ({each.unit})" if each.field else "change" for each in table.times)
    return [
        " ".join(f"{key.name}:{key.type}" for key in table.key),
        " ".join(kind.name for kind in table.kinds) or "none",
        ", ".join(times),
        "/".join(level.name for level in table.levels),
    ]


def _results(outcome: Outcome | None) -> list[str]:
    if outcome is None:
        return ["", "", "", "failed"]
    right = sum(outcome.answers.values())
    return [
        str(outcome.went_in.total),
        str(outcome.came_out),
        f"{right}/{len(outcome.answers)}",
        "same" if outcome.verified else "differ",
    ]
