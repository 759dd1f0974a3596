"""Settings of a plan for the table that ships."""

from typing import Any

from chalicelib.schema import TABLE
from sluice.planning.settings import PlanSettings, layout_named


def planned(**changed: Any) -> PlanSettings:
    """Return the default settings, but for these."""
    return PlanSettings(table=TABLE, **changed)


def cut_at(level: str) -> tuple[str, ...]:
    """Return the declared layout down to a level, or a layout of that level alone."""
    return layout_named(TABLE, [level])
