"""`sluice plan`: what a workload will come to, before anything is deployed."""

from dataclasses import replace
from typing import Any

import click
from click.core import ParameterSource

from sluice.cli.command import AMOUNT, Amount, json_option, sluice
from sluice.cli.plan_report import print_plan
from sluice.planning import measurement
from sluice.planning.plan import make_plan
from sluice.planning.settings import (
    BOUNDS,
    PARALLELIZATION_MAX,
    SHARDS_MAX,
    PlanSettings,
    UnplannableError,
    layout_named,
)
from sluice.planning.workload import Workload, WorkloadError
from sluice.stack import Stack

_WORKLOAD = Workload(changes_per_second=1)
_SETTINGS = PlanSettings()


class _Layout(click.ParamType[tuple[str, ...]]):
    """A layout by its levels, or by the level to cut the default one at."""

    name = "layout"

    def convert(
        self,
        value: str | tuple[str, ...],
        param: click.Parameter | None,  # noqa: ARG002
        ctx: click.Context | None,  # noqa: ARG002
    ) -> tuple[str, ...]:
        """The levels."""
        return layout_named(value) if isinstance(value, str) else value


@sluice.command("plan")
@click.option("--rate", type=AMOUNT, help="Changes of the table a second.")
@click.option("--from-table", is_flag=True, help="Take the workload from the table's stream.")
@click.option("--from-lake", is_flag=True, help="Take the workload from the lake's newest objects.")
@click.option(
    "--item-bytes",
    type=int,
    default=_WORKLOAD.item_bytes,
    show_default=True,
    help="Size of an item.",
)
@click.option(
    "--sites", type=int, default=_WORKLOAD.sites, show_default=True, help="How many sites."
)
@click.option("--skew", type=float, default=0.0, help="Zipf exponent over the sites; 0: all alike.")
@click.option("--updates", type=float, default=0.0, help="Share of changes that replace an item.")
@click.option("--deletes", type=float, default=0.0, help="Share of changes that delete one.")
@click.option("--late", type=float, default=0.0, help="Share of changes with a past event time.")
@click.option(
    "--late-hours",
    type=float,
    default=_WORKLOAD.late_hours,
    show_default=True,
    help="How far those reach back.",
)
@click.option(
    "--layout",
    type=_Layout(),
    default="/".join(_SETTINGS.layout),
    show_default=True,
    help="The partition levels; `hour` cuts the default ones at the hour.",
)
@click.option(
    "--interval",
    type=Amount(*BOUNDS["buffer_seconds"]),
    default=_SETTINGS.buffer_seconds,
    show_default=True,
    help="Seconds that Firehose buffers.",
)
@click.option(
    "--megabytes",
    type=Amount(*BOUNDS["buffer_megabytes"]),
    default=_SETTINGS.buffer_megabytes,
    show_default=True,
    help="MB of a partition that it buffers at most.",
)
@click.option(
    "--format",
    "lake_format",
    type=click.Choice(["json", "parquet"]),
    default=_SETTINGS.format,
    show_default=True,
    help="What the objects are.",
)
@click.option(
    "--shards",
    type=click.IntRange(1, SHARDS_MAX),
    help="Open shards of the stream, else as writes need.",
)
@click.option(
    "--parallelization",
    type=click.IntRange(1, PARALLELIZATION_MAX),
    default=_SETTINGS.parallelization,
    show_default=True,
    help="The pipe's batches of a shard at once.",
)
@click.option("--region", default=_SETTINGS.region, show_default=True, help="Whose quotas hold.")
@click.option(
    "--queries",
    type=Amount(*BOUNDS["queries_per_day"]),
    default=_SETTINGS.queries_per_day,
    show_default=True,
    help="Queries a day, each of one day of a site.",
)
@json_option
@click.pass_context
def plan_command(
    ctx: click.Context,
    rate: float | None,
    from_table: bool,
    from_lake: bool,
    item_bytes: int,
    sites: int,
    skew: float,
    updates: float,
    deletes: float,
    late: float,
    late_hours: float,
    layout: tuple[str, ...],
    interval: float,
    megabytes: float,
    lake_format: str,
    shards: int | None,
    parallelization: int,
    region: str,
    queries: float,
    as_json: bool,
) -> None:
    """Tell what a workload will come to: limits, delays, objects, and the monthly bill.

    Exits 1 when AWS would not carry it, and proposes what would. The workload is given by --rate
    and its other options, or measured from the stack; options that are given beside that count
    more. Nothing is changed.
    """
    if (rate is not None) + from_table + from_lake == 0:
        raise click.UsageError("give --rate, --from-table or --from-lake")
    if from_table and from_lake:
        raise click.UsageError("give one of --from-table and --from-lake")
    given = {
        "changes_per_second": rate,
        "item_bytes": item_bytes,
        "sites": sites,
        "skew": skew,
        "updates": updates,
        "deletes": deletes,
        "late": late,
        "late_hours": late_hours,
    }
    try:
        workload = _workload(ctx, given, from_table, from_lake)
        settings = PlanSettings(
            layout=layout,
            buffer_seconds=interval,
            buffer_megabytes=megabytes,
            format="parquet" if lake_format == "parquet" else "json",
            shards=shards,
            parallelization=parallelization,
            region=region,
            queries_per_day=queries,
        )
    except (WorkloadError, UnplannableError) as error:
        raise click.UsageError(str(error)) from None
    print_plan(make_plan(workload, settings), as_json)


def _workload(
    ctx: click.Context, given: dict[str, Any], from_table: bool, from_lake: bool
) -> Workload:
    """The workload that the options give, or the measured one with what they give beside it."""
    if not (from_table or from_lake):
        return Workload(**given)
    stack = Stack.named(ctx.obj)
    found = measurement.from_table(stack) if from_table else measurement.from_lake(stack)
    chosen = {
        name: value
        for name, value in given.items()
        if ctx.get_parameter_source("rate" if name == "changes_per_second" else name)
        is ParameterSource.COMMANDLINE
    }
    return replace(found, **chosen)
