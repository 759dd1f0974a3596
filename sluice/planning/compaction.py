"""The compaction of a plan: what queries read before and after it, and what it takes itself.

By Athena, as the stack's function and `sluice compact` do it on AWS: three statements for a run of
objects, and maintenance once a day. The files that are left are those measured on the local stack
(docs/compaction.md); what Athena reads follows from the statements, and was not measured on AWS.
"""

import math
from dataclasses import dataclass

from chalicelib.compacted import BUCKETS
from chalicelib.compaction import OLDER_THAN, SPAN_BYTES, SPAN_OBJECTS, SPARE_MS
from chalicelib.merging import MAINTENANCE, PARTITIONS_MAX
from sluice.planning.reading import COLUMNS_READ_SHARE, DAY, MONTH_DAYS, QueryCost, RawLake
from sluice.planning.settings import PlanSettings
from sluice.planning.weights import Weights
from sluice.planning.workload import Workload

FUNCTION_MEGABYTES = 256
FUNCTION_SECONDS = 900 - SPARE_MS / 1_000
"""The deployed function: its memory, and how long a run of it begins statements."""

HISTORY_FILES = 2.7
"""Files that are left of a day's partition of `history`: 54 for 20 sites, measured."""

FILE_BYTES = 512 * 1024**2
"""OPTIMIZE makes files of this size at most."""

KEY_SHARE = 0.12
ID_SHARE = 0.09
"""The part of `current` that a merge reads, keys and sequences, and that of `history` that an
append reads, the event ids of a day: measured with pyarrow for items of 500 bytes."""

STATEMENTS = 3
"""Of a run of objects: a survey, the append to `history`, the merge into `current`."""

STATEMENT_BYTES_MIN = 10_000_000
"""Athena bills no statement for less (https://aws.amazon.com/athena/pricing/)."""

STATEMENT_SECONDS = 5
OBJECT_SECONDS = 0.002
"""Seconds of a statement, and of each object that it opens. An assumption."""

METADATA_FILES = 4
"""Files that a commit writes beside its data. An assumption."""


@dataclass(frozen=True, slots=True)
class CompactionWork:
    """What the compaction itself takes in a day, once the lake is a month old."""

    scanned_bytes: float
    opened: float
    """Objects that its statements open."""
    requests: float
    """Requests that list or write objects."""
    run_seconds: float
    """The statements of one run."""
    function_seconds: float


@dataclass(frozen=True, slots=True)
class CompactionForecast:
    """A lake of a month with compaction, and beside it what queries would read without."""

    history: QueryCost
    """Files and bytes that are left of a day, of all sites."""
    current: QueryCost
    day_after: QueryCost
    """What a query of a day of a site reads."""
    month_before: QueryCost
    month_after: QueryCost
    """What a query of a month of a site reads."""
    latest_before: QueryCost
    latest_after: QueryCost
    """What the saved query `latest` reads, of all sites."""
    work: CompactionWork


def forecast_compaction(
    workload: Workload, settings: PlanSettings, weights: Weights, raw: RawLake
) -> CompactionForecast:
    """Return what compaction comes to; where it is off or manual, what it does once a day."""
    lines = workload.changes_per_second * DAY
    partitions = 1 / raw.site_share
    history = _files(lines * weights.compacted, partitions, HISTORY_FILES)
    rows = workload.items + workload.inserts * lines * MONTH_DAYS
    current = _files(rows * weights.compacted, BUCKETS)
    runs = 24 if settings.compaction == "hourly" else 1
    # The days that are not compacted: half an interval has passed since the last run, on average.
    waiting = OLDER_THAN.total_seconds() / DAY + 0.5 / runs
    site = history * raw.site_share
    site_day = QueryCost(site.objects, site.scanned_bytes * COLUMNS_READ_SHARE)
    site_tail = raw.site_day * waiting
    return CompactionForecast(
        history=history,
        current=current,
        # The days of a month are asked for alike; of the last ones alone raw objects are left.
        day_after=site_day + site_tail * min(1, raw.partition_days / MONTH_DAYS),
        month_before=raw.of_site(MONTH_DAYS),
        month_after=site_day * MONTH_DAYS + site_tail,
        latest_before=raw.day * MONTH_DAYS,
        latest_after=current + raw.day * waiting,
        work=_work(runs, settings, raw, history, current, updates=workload.inserts < 1),
    )


def _files(size: float, partitions: float, files: float = 1) -> QueryCost:
    """Return what is left of so many bytes in partitions that have at least so many files."""
    return QueryCost(partitions * max(files, size / partitions / FILE_BYTES), size)


def _work(
    runs: int,
    settings: PlanSettings,
    raw: RawLake,
    history: QueryCost,
    current: QueryCost,
    *,
    updates: bool,
) -> CompactionWork:
    """Return what a day's runs take, and its maintenance.

    `updates` says whether older rows change, which spreads over all files of `current`.
    """
    run = raw.day * (1 / runs)
    # A daily run has the end of the day before, too.
    folders = 1 / raw.site_share * (2 if runs == 1 else 1)
    spans = math.ceil(
        max(run.objects / SPAN_OBJECTS, run.scanned_bytes / SPAN_BYTES, folders / PARTITIONS_MAX)
    )
    statements = spans * STATEMENTS
    scanned = max(
        STATEMENTS * run.scanned_bytes
        + ID_SHARE * history.scanned_bytes
        + spans * KEY_SHARE * current.scanned_bytes,
        statements * STATEMENT_BYTES_MIN,
    )
    rewritten = history.scanned_bytes + (current if updates else history).scanned_bytes
    maintained = max(rewritten, len(MAINTENANCE) * STATEMENT_BYTES_MIN)
    written = folders + 2 * spans * (BUCKETS + METADATA_FILES)
    listed = (statements + 1) * run.listings
    run_seconds = statements * STATEMENT_SECONDS + STATEMENTS * run.objects * OBJECT_SECONDS
    kept_in_order = len(MAINTENANCE) * STATEMENT_SECONDS
    return CompactionWork(
        scanned_bytes=runs * scanned + maintained,
        opened=runs * (STATEMENTS * run.objects + history.objects + spans * current.objects),
        requests=runs * (written + listed) + history.objects + current.objects,
        run_seconds=run_seconds,
        function_seconds=(
            0
            if settings.compaction == "manual"
            else runs * min(run_seconds, FUNCTION_SECONDS) + kept_in_order
        ),
    )
