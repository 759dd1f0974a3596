"""The workload of a stack: how many changes there are, how large, of which sites and times.

Sites are the values of the layout's fields, of several fields together.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Annotated

from chalicelib.limits import ITEM_BYTES_MAX
from sluice.planning.rules import Option, PlanError, field_errors, number, whole

SINGLE_RANKS = 20
"""Sites that are computed one by one; the many behind them form groups of like weight."""

GROUP_GROWTH = 1.2
"""How many times further a group of sites reaches than the one before it."""


_SHARE = number(0, 1)


@dataclass(frozen=True, slots=True)
class SiteGroup:
    """Sites that have the same share of all changes."""

    count: int
    share: float
    """The share of each of them, from 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A steady flow of changes. Raises PlanError, which names every wrong value."""

    changes_per_second: Annotated[
        float,
        number(0, 100_000_000, above=True),
        Option("Changes of the table that reach the lake each second", "rate"),
    ]

    item_bytes: Annotated[
        int,
        whole(1, ITEM_BYTES_MAX, "DynamoDB's largest item"),
        Option("Bytes of an item as DynamoDB counts them: names and values of its attributes"),
    ] = 500

    sites: Annotated[
        int,
        whole(1, 100_000_000),
        Option("Sites, the values of the layout's fields, that the changes belong to"),
    ] = 20

    skew: Annotated[
        float,
        number(0, 5),
        Option(
            "Exponent of Zipf's law over the sites; 0 has all alike, at 1 the tenth site has a "
            "tenth of the first one's changes"
        ),
    ] = 0.0

    updates: Annotated[
        float, _SHARE, Option("Share of changes that replace an item; they carry two images")
    ] = 0.0

    deletes: Annotated[float, _SHARE, Option("Share of changes that delete an item")] = 0.0

    late: Annotated[
        float,
        _SHARE,
        Option("Share of changes whose event time lies somewhere in the last `late_hours`"),
    ] = 0.0

    late_hours: Annotated[
        float, number(0, 87_600, above=True), Option("Hours that late event times reach back")
    ] = 24.0

    items: Annotated[
        int,
        whole(0, 1_000_000_000_000),
        Option("Items that the table holds at first; compaction keeps the last state of each"),
    ] = 0

    def __post_init__(self) -> None:
        errors = field_errors(self)
        if not errors and self.updates + self.deletes > 1:
            errors.append(
                f"updates and deletes are {self.updates} and {self.deletes}, but both are shares "
                "of the same changes and make at most 1 together"
            )
        if errors:
            raise PlanError(errors)

    @property
    def inserts(self) -> float:
        """The share of changes that create an item."""
        return 1 - self.updates - self.deletes

    def site_groups(self) -> tuple[SiteGroup, ...]:
        """Return the sites by their share of changes, the largest first; the shares add up to 1."""
        if self.skew == 0:
            return (SiteGroup(self.sites, 1 / self.sites),)
        edges = [*range(min(SINGLE_RANKS, self.sites) + 1)]
        while edges[-1] < self.sites:
            edges.append(min(self.sites, math.ceil(edges[-1] * GROUP_GROWTH)))
        weights = [
            (end - start, _zipf_sum(start, end, self.skew))
            for start, end in itertools.pairwise(edges)
        ]
        total = math.fsum(weight for _, weight in weights)
        return tuple(SiteGroup(count, weight / count / total) for count, weight in weights)


def _zipf_sum(start: int, end: int, skew: float) -> float:
    """Return the sum of the weights of ranks after `start` up to `end`, by an integral if many."""
    if end - start <= GROUP_GROWTH * SINGLE_RANKS:
        return math.fsum(rank**-skew for rank in range(start + 1, end + 1))
    low, high = start + 0.5, end + 0.5
    if skew == 1:
        return math.log(high / low)
    return float((high ** (1 - skew) - low ** (1 - skew)) / (1 - skew))
