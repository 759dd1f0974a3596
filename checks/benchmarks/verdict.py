"""A measurement beside its target, and the table that tells which targets are met."""

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
    """The limit; None where the figure is for information alone."""
    at_most: bool = True
    """Whether the target is an upper limit or a lower one."""
    remark: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target


_VERDICTS = {True: "[green]met[/]", False: "[red]missed[/]", None: "–"}  # noqa: RUF001


def table(title: str, measurements: Iterable[Measurement]) -> Table:
    """The measurements, a row each, with their verdicts."""
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
    """A figure with as many digits as one reads."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
