"""What is asked of a stack: how many changes there are, how large, of which sites and times."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ITEM_BYTES_MAX = 400 * 1024
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""

SINGLE_RANKS = 20
"""Sites that are reckoned with one by one; the many behind them go in groups of like weight."""

GROUP_GROWTH = 1.2
"""How many times further a group of sites reaches than the one before it."""


class WorkloadError(ValueError):
    """A workload that cannot be; the message has a line for every wrong value."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = tuple(errors)


@dataclass(frozen=True, slots=True)
class SiteGroup:
    """Sites that have the same part in all changes."""

    count: int
    share: float
    """The part of each of them, from 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A steady flow of changes. Raises WorkloadError, which names every wrong value."""

    changes_per_second: float
    """Changes of the table that reach the pipe, each second."""

    item_bytes: int = 500
    """Size of an item as DynamoDB counts it: names and values of its attributes."""

    sites: int = 20
    """How many sites the changes belong to."""

    skew: float = 0.0
    """The exponent of Zipf's law over the sites; 0 has all alike, at 1 the tenth site has a tenth
    of the first one's changes."""

    updates: float = 0.0
    """The share of changes that replace an item; they carry two images."""

    deletes: float = 0.0
    """The share of changes that delete an item."""

    late: float = 0.0
    """The share of changes whose event time is not now but somewhere in the last `late_hours`."""

    late_hours: float = 24.0
    """How far late event times reach back."""

    def __post_init__(self) -> None:
        errors = [
            f"{name} is {getattr(self, name)!r}, but must be {rule}"
            for name, rule, holds in _RULES
            if not _finite(getattr(self, name)) or not holds(getattr(self, name))
        ]
        if not errors and self.updates + self.deletes > 1:
            errors.append(
                f"updates and deletes are {self.updates} and {self.deletes}, but both are shares "
                "of the same changes and make at most 1 together"
            )
        if errors:
            raise WorkloadError(errors)

    @property
    def inserts(self) -> float:
        """The share of changes that make a new item."""
        return 1 - self.updates - self.deletes

    def site_groups(self) -> tuple[SiteGroup, ...]:
        """The sites by their part in all changes, the largest first. The shares sum up to 1."""
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
    """The weights of the ranks after `start` up to `end`: their sum, by an integral if many."""
    if end - start <= GROUP_GROWTH * SINGLE_RANKS:
        return math.fsum(rank**-skew for rank in range(start + 1, end + 1))
    low, high = start + 0.5, end + 0.5
    if skew == 1:
        return math.log(high / low)
    return float((high ** (1 - skew) - low ** (1 - skew)) / (1 - skew))


def _finite(value: float) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


_SHARE = ("a share, from 0 to 1", lambda value: 0 <= value <= 1)
_RULES: tuple[tuple[str, str, Callable[[float], bool]], ...] = (
    ("changes_per_second", "above 0 and at most 100,000,000", lambda value: 0 < value <= 1e8),
    (
        "item_bytes",
        f"a whole number from 1 to {ITEM_BYTES_MAX:,}, DynamoDB's largest item",
        lambda value: value == int(value) and 1 <= value <= ITEM_BYTES_MAX,
    ),
    (
        "sites",
        "a whole number from 1 to 100,000,000",
        lambda value: value == int(value) and 1 <= value <= 1e8,
    ),
    ("skew", "from 0 to 5", lambda value: 0 <= value <= 5),
    ("updates", *_SHARE),
    ("deletes", *_SHARE),
    ("late", *_SHARE),
    ("late_hours", "above 0 and at most 87,600, ten years", lambda value: 0 < value <= 87_600),
)
