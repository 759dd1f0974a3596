"""A chart for the terminal: columns of blocks, and the limit that they are compared with."""

from collections.abc import Sequence

from rich.text import Text

_EIGHTHS = " ▁▂▃▄▅▆▇█"


def columns(values: Sequence[float], limit: float, height: int = 8) -> list[Text]:
    """Return lines that draw the values as columns, with the limit as a line.

    Columns above the limit are red. At the left of each line is the value of its upper edge.
    """
    top = max(*values, limit) * 1.1
    step = top / height
    width = len(f"{top:,.0f}")
    lines = []
    for row in range(height, 0, -1):
        low, high = (row - 1) * step, row * step
        line = Text(f"{high:>{width},.0f} ┤", style="dim")
        at_limit = low < limit <= high
        for value in values:
            filled = _EIGHTHS[round(min(max((value - low) / step, 0.0), 1.0) * 8)]
            if filled == " " and at_limit:
                line.append("─", style="yellow")
            else:
                line.append(filled, style="red" if value > limit and high > limit else "cyan")
        if at_limit:
            line.append(f" {limit:,.0f}", style="yellow")
        lines.append(line)
    return lines
