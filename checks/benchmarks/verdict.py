"""A measurement with its target, and the table of targets met and missed."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measured figure."""

    name: str
    value: float
    unit: str
    target: float | None = None
    """The limit; None if the figure is only for information."""
    at_most: bool = True
    """Whether the target is an upper limit, not a lower one."""
    remark: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target


_VERDICTS = {True: "[green]met[/]", False: "[red]missed[/]", None: "–"}  # noqa: RUF001


def table(title: str, measurements: Iterable[Measurement]) -> Table:
    """Return a table with a row for each measurement."""
    drawn = Table("measurement", title=title, title_justify="left")
    for name in ("value", "target"):
        drawn.add_column(name, justify="right")
    for name in ("verdict", "remark"):
        drawn.add_column(name)
    for each in measurements:
        bound = "at most" if each.at_most else "at least"
        drawn.add_row(
            each.name,
            f"{number(each.value)} {each.unit}".strip(),
            "" if each.target is None else f"{bound} {number(each.target)}",
            _VERDICTS[each.met],
            each.remark,
        )
    return drawn


def number(value: float) -> str:
    """Format a figure with three significant digits, or all digits before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
