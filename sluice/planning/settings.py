"""The settings of a stack that a plan depends on: those a person chooses, and fixed ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from chalicelib.declaration import TIME_FORMATS, Table
from chalicelib.limits import (
    BUFFER_MEGABYTES,
    BUFFER_SECONDS,
    MAPPED_RECORDS_MAX,
    MAPPED_SECONDS,
)
from chalicelib.mistakes import layout_errors
from sluice.planning.limits import REGION
from sluice.planning.rules import Option, PlanError, Reader, field_errors, number, text, whole
from sluice.planning.workload import SiteGroup, Workload

MIB = 1024 * 1024

Format = Literal["json", "parquet"]
Feed = Literal["pipe", "function"]
Compaction = Literal["off", "manual", "hourly", "daily"]

BUCKET_SECONDS = {
    "minute": 60,
    "hour": 3_600,
    "day": 86_400,
    "month": 30 * 86_400,
    "year": 365 * 86_400,
}
"""How long a partition of each finest time level is written to; of months and years, about."""


def levels(text: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the levels of a layout as a person gives it, such as `region/year/month`."""
    if isinstance(text, tuple):
        return text
    return tuple(level.strip() for level in text.replace(",", "/").split("/"))


def layout_named(table: Table, given: Sequence[str]) -> tuple[str, ...]:
    """Return the layout that a person names: a part of the time alone cuts the declared one."""
    if len(given) == 1 and given[0] in table.layout and given[0] in TIME_FORMATS:
        return table.layout[: table.layout.index(given[0]) + 1]
    return tuple(given)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSettings:
    """A stack as a plan sees it. Raises PlanError, which names every wrong value."""

    table: Annotated[Table, Reader(lambda table: table)]
    """The declaration. Its layout is that of the plan, unless another one is given."""

    schema: str = ""
    """The file of the declaration, for the commands that are proposed; empty: the one that ships.
    """

    layout: Annotated[
        tuple[str, ...],
        Reader(levels),
        Option(
            "The partition levels, outermost first; `hour` cuts the declared ones at the hour. By "
            "default the declared ones"
        ),
    ] = ()

    buffer_seconds: Annotated[
        float,
        number(*BUFFER_SECONDS),
        Option("Seconds that Firehose buffers a partition's lines", "interval"),
    ] = 60

    buffer_megabytes: Annotated[
        float,
        number(*BUFFER_MEGABYTES),
        Option("MiB of a partition that it buffers at most", "megabytes"),
    ] = 128

    format: Annotated[Format, Option("Format of the lake's objects")] = "json"

    compaction: Annotated[
        Compaction,
        Option("How often raw objects move into the Iceberg tables; by hand counts as daily"),
    ] = "off"

    transform_seconds: float = 10
    """How long Firehose gathers records for one invocation of the transform."""

    transform_megabytes: float = 1
    """How many MiB it gathers for one at most."""

    feed: Annotated[
        Feed, Option("What brings the stream's changes to Firehose; both are compared in any case")
    ] = "pipe"

    feed_batch_size: Annotated[
        int,
        whole(1, MAPPED_RECORDS_MAX),
        Option("Changes in a batch of the function, at most"),
    ] = 1000

    feed_window_seconds: Annotated[
        float,
        number(*MAPPED_SECONDS),
        Option("Seconds that the function's batch is gathered", "feed-window"),
    ] = 5

    batch_size: int = 100
    """Changes in a batch of the pipe."""

    batching_seconds: float = 1
    """How long the pipe gathers a batch."""

    parallelization: Annotated[
        int, whole(1, 10), Option("Batches of one shard that the feed has under way at once")
    ] = 1

    shards: (
        Annotated[
            int,
            whole(1, 100_000),
            Option("Open shards of the table's stream; by default as many as the writes need"),
        ]
        | None
    ) = None

    region: Annotated[
        str,
        text("[a-z]{2}(-[a-z]+)+-[0-9]{1,2}", f"the name of a Region of AWS, such as {REGION}"),
        Option("The Region, on which quotas depend"),
    ] = REGION

    scan_gigabytes: Annotated[float, number(0, 1_000_000_000)] = 100
    """How much a query may read before it is stopped."""

    queries_per_day: Annotated[
        float,
        number(0, 1_000_000_000),
        Option("Queries a day, each of one day of a site", "queries"),
    ] = 100

    def __post_init__(self) -> None:
        layout = self.layout or self.table.layout
        object.__setattr__(self, "layout", layout)
        errors = field_errors(self) + [
            f"layout is {'/'.join(layout)}, but {error}"
            for error in layout_errors(self.table.with_layout(layout))
        ]
        if errors:
            raise PlanError(errors)

    @property
    def compacts(self) -> bool:
        """Whether there are compacted tables."""
        return self.compaction != "off"

    @property
    def by_site(self) -> bool:
        """Whether each site, a value of the layout's fields, has partitions of its own."""
        return any(level not in TIME_FORMATS for level in self.layout)

    @property
    def kinds(self) -> int:
        """The number of kinds of record that have partitions of their own."""
        return len(self.table.shapes) if self.table.told_by else 1

    def groups(self, workload: Workload) -> list[SiteGroup]:
        """Return the partitions that there are at one time, by their shares of the changes.

        Kinds of record are taken to have like shares of each site.
        """
        sites = workload.site_groups() if self.by_site else [SiteGroup(1, 1.0)]
        return [SiteGroup(each.count * self.kinds, each.share / self.kinds) for each in sites]

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
