"""What of a stack the plan depends on: the settings a person chooses, and the fixed buffers."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from chalicelib.partitions import TIME_FORMATS, layout_errors
from chalicelib.schema import LAYOUT, SITE
from sluice.planning.limits import REGION

MIB = 1024 * 1024

BUCKET_SECONDS = {
    "minute": 60,
    "hour": 3_600,
    "day": 86_400,
    "month": 30 * 86_400,
    "year": 365 * 86_400,
}
"""How long a partition of each finest time level is written to; of months and years, about."""

PARALLELIZATION_MAX = 10
SHARDS_MAX = 100_000

BUFFER_SECONDS = (60, 900)
BUFFER_MEGABYTES = (64, 128)
"""Firehose's bounds with dynamic partitioning."""

BOUNDS = {
    "buffer_seconds": BUFFER_SECONDS,
    "buffer_megabytes": BUFFER_MEGABYTES,
    "parallelization": (1, PARALLELIZATION_MAX),
    "shards": (1, SHARDS_MAX),
    "scan_gigabytes": (0, 1e9),
    "queries_per_day": (0, 1e9),
}
"""What a person may choose: Firehose's and Pipes' bounds, and for the others what is sane."""

_WHOLE = {"parallelization", "shards"}

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}")


class UnplannableError(ValueError):
    """Settings that cannot be planned; the message names the value, the rule and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSettings:
    """A stack as a plan sees it. Raises UnplannableError for what it can tell nothing of."""

    layout: tuple[str, ...] = LAYOUT
    """The partition levels, outermost first."""

    buffer_seconds: float = 60
    """How long Firehose gathers a partition's lines."""

    buffer_megabytes: float = 128
    """How much of a partition it gathers at most."""

    format: Literal["json", "parquet"] = "json"
    """What the lake's objects are."""

    transform_seconds: float = 10
    """How long Firehose gathers records for one invocation of the transform."""

    transform_megabytes: float = 1
    """How much it gathers for one at most."""

    batch_size: int = 100
    """Changes in a batch of the pipe."""

    batching_seconds: float = 1
    """How long the pipe gathers a batch."""

    parallelization: int = 1
    """Batches of one shard that the pipe has under way at once."""

    shards: int | None = None
    """Open shards of the table's stream; None: as many as the writes need."""

    region: str = REGION
    """The Region, on which quotas depend."""

    scan_gigabytes: float = 100
    """How much a query may read before it is stopped."""

    queries_per_day: float = 100
    """Questions put to Athena, each for a day of one site."""

    def __post_init__(self) -> None:
        if errors := layout_errors(self.layout):
            raise UnplannableError(f"the layout is {'/'.join(self.layout)!r}, but {errors[0]}")
        unknown = [level for level in self.layout if level not in {SITE, *TIME_FORMATS}]
        if unknown:
            raise UnplannableError(
                f"the layout has the level {unknown[0]}, of whose values a workload says nothing; "
                f"plan a layout of {SITE} and times"
            )
        for name, (low, high) in BOUNDS.items():
            value = getattr(self, name)
            if value is None and name == "shards":
                continue
            if not math.isfinite(value) or not low <= value <= high:
                raise UnplannableError(
                    f"{name} is {value!r}, but must be from {low:,} to {high:,.0f}; "
                    "choose one in between"
                )
            if name in _WHOLE and value != int(value):
                raise UnplannableError(f"{name} is {value!r}, but must be a whole number")
        if not _REGION.fullmatch(self.region):
            raise UnplannableError(
                f"the region is {self.region!r}, which is no name of an AWS Region; "
                f"give one such as {REGION}"
            )

    @property
    def by_site(self) -> bool:
        """Whether each site has partitions of its own."""
        return SITE in self.layout

    @property
    def bucket_seconds(self) -> int | None:
        """How long a partition is written to, by its finest time level; None: for ever."""
        times = [level for level in self.layout if level in TIME_FORMATS]
        return BUCKET_SECONDS[times[-1]] if times else None

    @property
    def buffer_bytes(self) -> float:
        """The size at which a partition is delivered before its interval is over."""
        return self.buffer_megabytes * MIB

    @property
    def transform_bytes(self) -> float:
        """The size of the records in a full invocation."""
        return self.transform_megabytes * MIB


def layout_named(name: str, layout: Sequence[str] = LAYOUT) -> tuple[str, ...]:
    """A layout as a person gives it: its levels, or the level to cut the default one at.

    `siteId/year/month`, or `hour` for all levels of the default layout down to the hour.
    """
    if name in layout and name in TIME_FORMATS:
        return tuple(layout[: layout.index(name) + 1])
    return tuple(level.strip() for level in name.replace(",", "/").split("/"))
