"""The settings of a stack that a plan depends on: those a person chooses, and fixed ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from chalicelib.declaration import TIME_FORMATS
from chalicelib.declared import declared
from chalicelib.limits import BUFFER_MEGABYTES, BUFFER_SECONDS
from chalicelib.mistakes import layout_errors
from chalicelib.schema import LAYOUT, SITE
from sluice.planning.limits import REGION
from sluice.planning.rules import Option, PlanError, Reader, field_errors, number, text, whole

MIB = 1024 * 1024

BUCKET_SECONDS = {
    "minute": 60,
    "hour": 3_600,
    "day": 86_400,
    "month": 30 * 86_400,
    "year": 365 * 86_400,
}
"""How long a partition of each finest time level is written to; of months and years, about."""


def layout_named(name: str, layout: Sequence[str] = LAYOUT) -> tuple[str, ...]:
    """Return a layout as a person gives it: its levels, or the level to cut the default one at.

    `siteId/year/month`, or `hour` for all levels of the default layout down to the hour.
    """
    if name in layout and name in TIME_FORMATS:
        return tuple(layout[: layout.index(name) + 1])
    return tuple(level.strip() for level in name.replace(",", "/").split("/"))


def _read_layout(value: str | tuple[str, ...]) -> tuple[str, ...]:
    layout = layout_named(value) if isinstance(value, str) else value
    if errors := layout_errors(declared().with_layout(layout)):
        raise ValueError(errors[0])
    for level in layout:
        if level not in {SITE, *TIME_FORMATS}:
            raise ValueError(
                f"it has the level {level}, of whose values a workload says nothing; "
                f"plan a layout of {SITE} and times"
            )
    return layout


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSettings:
    """A stack as a plan sees it. Raises PlanError, which names every wrong value."""

    layout: Annotated[
        tuple[str, ...],
        Reader(_read_layout),
        Option("The partition levels, outermost first; `hour` cuts the default ones at the hour"),
    ] = LAYOUT

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

    format: Annotated[Literal["json", "parquet"], Option("Format of the lake's objects")] = "json"

    transform_seconds: float = 10
    """How long Firehose gathers records for one invocation of the transform."""

    transform_megabytes: float = 1
    """How many MiB it gathers for one at most."""

    batch_size: int = 100
    """Changes in a batch of the pipe."""

    batching_seconds: float = 1
    """How long the pipe gathers a batch."""

    parallelization: Annotated[
        int, whole(1, 10), Option("Batches of one shard that the pipe has under way at once")
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
        if errors := field_errors(self):
            raise PlanError(errors)

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
