"""The partitions of a deployed table of the catalog, as Athena projects them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_PLACE = re.compile(r"/([^/]+)=\$\{(\w+)\}")
"""A level of the layout in the table's location, and the column that holds its value."""


@dataclass(frozen=True, slots=True)
class Partitioning:
    """The partition columns of a table, outermost first, and how they are projected."""

    columns: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def required(self) -> set[str]:
        """The columns of which a query must name a value."""
        return {name for name in self.columns if self._projection(name, "type") == "injected"}

    @property
    def years(self) -> tuple[int, int] | None:
        """The first and the last year that the table shows; None when it shows all."""
        years = self._projection("year", "range")
        if years is None:
            return None
        first, last = years.split(",")
        return int(first), int(last)

    def values(self, column: str) -> frozenset[str] | None:
        """Return the values of a column that the table shows; None when it shows all."""
        values = self._projection(column, "values")
        return None if values is None else frozenset(values.split(","))

    @property
    def levels(self) -> dict[str, str]:
        """The level of the layout of each column, outermost first."""
        template = self.parameters.get("storage.location.template", "")
        return {column: level for level, column in _PLACE.findall(template)}

    def _projection(self, column: str, what: str) -> str | None:
        return self.parameters.get(f"projection.{column}.{what}")
