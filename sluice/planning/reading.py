"""What queries read of a lake's raw objects."""

import math
from dataclasses import dataclass

from chalicelib.catalog import partition_levels
from sluice.planning.settings import BUCKET_SECONDS, PlanSettings
from sluice.planning.workload import Workload

DAY = BUCKET_SECONDS["day"]
MONTH_DAYS = 30

COLUMNS_READ_SHARE = 0.25
"""The part of a file of columns that a query reads: that of the columns it names. An assumption, to
which each question is an exception."""


@dataclass(frozen=True, slots=True)
class QueryCost:
    """The objects that a query lists and opens, and the bytes that it reads of them."""

    objects: float
    scanned_bytes: float

    @property
    def listings(self) -> int:
        """Requests that list the objects, a thousand each."""
        return math.ceil(self.objects / 1_000)

    def __add__(self, other: "QueryCost") -> "QueryCost":
        return QueryCost(self.objects + other.objects, self.scanned_bytes + other.scanned_bytes)

    def __mul__(self, factor: float) -> "QueryCost":
        return QueryCost(self.objects * factor, self.scanned_bytes * factor)


@dataclass(frozen=True, slots=True)
class RawLake:
    """The raw objects of a lake, as queries see them."""

    day: QueryCost
    """Those of one day, read whole."""
    columns_share: float
    """The part of them that a query reads which names some columns."""
    site_share: float
    """The part of one site and kind, where those have partitions of their own."""
    partition_days: float
    """The days of a partition that a query can name, one at least."""

    @property
    def site_day(self) -> QueryCost:
        """What is read of the objects of one day, of one kind, and of one site if there is any."""
        read = self.day * self.site_share
        return QueryCost(read.objects, read.scanned_bytes * self.columns_share)

    def of_site(self, days: float) -> QueryCost:
        """Return what a query of some days of a site reads: whole partitions."""
        return self.site_day * max(days, self.partition_days)


def raw_lake(
    workload: Workload, settings: PlanSettings, objects_per_second: float, object_bytes: float
) -> RawLake:
    """Return the raw objects of a workload, all of them of equal sites."""
    levels = partition_levels(settings.table.with_layout(settings.layout))
    span = min((BUCKET_SECONDS[level.name] for level in levels if level.is_time), default=0)
    sites = workload.sites if any(level.attribute for level in levels) else 1
    objects = objects_per_second * DAY
    return RawLake(
        day=QueryCost(objects, objects * object_bytes),
        columns_share=COLUMNS_READ_SHARE if settings.format == "parquet" else 1,
        site_share=1 / sites / settings.kinds,
        partition_days=max(1.0, (span or BUCKET_SECONDS["year"]) / DAY),
    )
