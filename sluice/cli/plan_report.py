"""A plan as `sluice plan` prints it: figures, a chart, the bill, findings and proposals."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from rich.console import Group
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from sluice.cli.chart import columns
from sluice.cli.command import out, print_json
from sluice.planning import limits, prices
from sluice.planning.bill import BillLine, bill, query_dollars, total
from sluice.planning.comparison import FeedComparison, compaction_dollars, compare_feeds
from sluice.planning.findings import PlanFinding, check_plan
from sluice.planning.plan import Plan
from sluice.planning.proposals import PlanProposal, propose
from sluice.planning.reading import QueryCost
from sluice.wording import counted

_TABLE_STYLE: Any = {"box": None, "header_style": "dim", "padding": (0, 2, 0, 0)}
_TITLED: Any = _TABLE_STYLE | {"title_justify": "left", "title_style": "bold"}


def print_plan(plan: Plan, as_json: bool) -> None:
    """Print a plan, and exit 1 when it is refused."""
    findings = check_plan(plan)
    proposals = propose(plan, findings)
    if as_json:
        print_json(_document(plan, findings, proposals))
    else:
        out.print(Group(*_page(plan, findings, proposals)))
    if any(each.severity == "refuse" for each in findings):
        sys.exit(1)


def _document(
    plan: Plan, findings: Sequence[PlanFinding], proposals: Sequence[PlanProposal]
) -> dict[str, object]:
    lines = bill(plan)
    return {
        "plan": _plan_document(plan),
        "findings": findings,
        "bill": [
            {
                "what": line.what,
                "quantity": line.quantity,
                "unit": line.price.unit,
                "dollars": line.dollars,
                "note": line.note,
                "source": line.price.source,
            }
            for line in lines
        ],
        "dollarsPerMonth": total(lines),
        "feeds": _feeds_document(compare_feeds(plan)),
        "compactionDollars": dict(zip(("costs", "saves"), compaction_dollars(plan), strict=True)),
        "pricesOf": prices.DATE,
        "proposals": [
            {name: getattr(each, name) for name in ("what", "command", "deployment", "stacks")}
            | {"plan": _plan_document(each.plan)}
            for each in proposals
        ],
    }


def _plan_document(plan: Plan) -> dict[str, object]:
    """Return a plan as JSON has it: without the declaration."""
    document = {each.name: getattr(plan, each.name) for each in fields(plan)}
    settings = {each.name: getattr(plan.settings, each.name) for each in fields(plan.settings)}
    del settings["table"]
    return document | {"settings": settings}


def _page(
    plan: Plan, findings: Sequence[PlanFinding], proposals: Sequence[PlanProposal]
) -> list[Text | Table]:
    workload, delivery = plan.workload, plan.delivery
    limit = limits.ACTIVE_PARTITIONS.value
    method = "expected values, as the changes are many"
    if delivery.simulated:
        method = f"{delivery.simulated:,} changes simulated"
    return [
        Text(
            f"{amount(workload.changes_per_second)} changes a second of "
            f"{workload.item_bytes:,} bytes, {_groups(plan)}{'/'.join(plan.settings.layout)}",
            style="bold",
        ),
        Text(f"{method}\n", style="dim"),
        _figures(plan),
        Text(
            f"\nActive partitions in the first {delivery.course_seconds:,.0f} s of a period, and "
            f"the limit of {limit:,.0f}",
            style="bold",
        ),
        *columns(delivery.active, limit),
        Text(""),
        *_feeds(compare_feeds(plan)),
        Text(""),
        *_compaction(plan),
        Text(""),
        _bill(bill(plan)),
        *_findings(findings),
        *_proposals(findings, proposals),
    ]


def _groups(plan: Plan) -> str:
    """Return how many sites and kinds have partitions of their own."""
    kinds = f"{plan.settings.kinds} kinds" if plan.settings.table.told_by else ""
    sites = f"{plan.workload.sites:,} sites" if plan.settings.by_site else ""
    return "".join(f"{each}; " for each in (sites, kinds) if each)


def _figures(plan: Plan) -> Table:
    delivery, settings, query = plan.delivery, plan.settings, plan.query
    quotas = limits.direct_put(settings.region)
    table = Table("", "planned", "limit", **_TABLE_STYLE)
    rows = (
        (
            "active partitions",
            f"{delivery.active_peak:,.0f} at the peak, {delivery.active_mean:,.0f} on average",
            f"{limits.ACTIVE_PARTITIONS.value:,.0f}",
        ),
        (
            "objects",
            f"{plan.objects_per_day:,.0f} a day, {size_of(plan.object_bytes)} and "
            f"{delivery.lines_per_object:,.1f} lines each",
            "",
        ),
        ("time to visibility", visible(plan), ""),
        (
            "transform",
            f"{amount(delivery.invocations_per_second)} invocations a second of "
            f"{delivery.records_per_invocation:,.0f} records, "
            f"{amount(plan.concurrency)} at once",
            f"{limits.LAMBDA_CONCURRENCY.value:,.0f} at once",
        ),
        (
            "response",
            f"{size_of(plan.response_bytes)} for a full batch",
            size_of(limits.RESPONSE_BYTES.value),
        ),
        ("Direct PUT", f"{size_of(plan.put_bytes)} a second", size_of(quotas.size.value)),
        (
            "",
            f"{amount(plan.feed.records)} records a second",
            f"{quotas.records.value:,.0f}",
        ),
        ("", f"{amount(plan.feed.puts)} requests a second", f"{quotas.requests.value:,.0f}"),
        (
            f"stream and {settings.feed}",
            f"{plan.shards:,} shards, {plan.feed.at_once:,} batches at once",
            f"about {plan.feed.capacity:,.0f} changes a second",
        ),
        (
            "table",
            f"{plan.table_writes:,.0f} write units a second",
            f"{limits.TABLE_WRITES.value:,.0f}",
        ),
        (
            "S3",
            f"{amount(delivery.objects_per_second)} writes a second",
            f"{limits.S3_PUTS.value:,.0f} a prefix",
        ),
        (
            "a query of a day",
            f"{query.objects:,.0f} objects in {counted(query.listings, 'listing')}, "
            f"{size_of(query.scanned_bytes)} read",
            "",
        ),
    )
    for row in rows:
        table.add_row(*row)
    return table


def _feeds_document(feeds: FeedComparison) -> dict[str, object]:
    """Return both feeds as JSON has them."""
    both: dict[str, object] = {
        feed: {
            "dollarsPerMonth": feeds.dollars[feed],
            "visibleMedian": each.visible_median,
            "visibleP99": each.visible_p99,
            "visibleLongest": each.visible_longest,
            "feed": each.feed,
        }
        for feed, each in feeds.plans.items()
    }
    return both | {"cheaper": feeds.cheaper, "saves": feeds.saves, "givesUp": feeds.gives_up}


def _feeds(feeds: FeedComparison) -> list[Text | Table]:
    """Return the plan with each feed, side by side."""
    table = Table("", *feeds.plans, title="Feeds", **_TITLED)
    rows: tuple[tuple[str, Callable[[Plan], str]], ...] = (
        ("batches", batches),
        ("Firehose bills", lambda each: f"{size_of(each.feed.billed_bytes)} a second"),
        ("visible", visible),
    )
    for name, value in rows:
        table.add_row(name, *map(value, feeds.plans.values()))
    table.add_row("a month", *(f"${each:,.2f}" for each in feeds.dollars.values()))
    return [
        table,
        Text(
            f"The {feeds.cheaper} is cheaper by ${feeds.saves:,.2f} a month, but "
            f"{'; '.join(feeds.gives_up)}."
        ),
    ]


def batches(plan: Plan) -> str:
    """Return the batches of a plan's feed, for a person."""
    return f"{amount(plan.feed.batches)} a second of {amount(plan.feed.batch_changes)} changes"


def visible(plan: Plan) -> str:
    """Return when changes can be queried, for a person."""
    return (
        f"{plan.visible_median:,.0f} s for half, {plan.visible_p99:,.0f} s for 99 %, "
        f"{plan.visible_longest:,.0f} s at most"
    )


def _compaction(plan: Plan) -> list[Text | Table]:
    """Return the lake before and after compaction."""
    settings, lake = plan.settings, plan.compaction
    schedule = settings.compaction if settings.compacts else "if it were daily"
    table = Table("", "before", "after", title=f"Compaction, {schedule}", **_TITLED)
    table.add_row(
        "a day leaves",
        f"{plan.objects_per_day:,.0f} objects, {size_of(plan.objects_per_day * plan.object_bytes)}",
        f"{lake.history.objects:,.0f} files of history, {size_of(lake.history.scanned_bytes)}; "
        f"current has {lake.current.objects:,.0f}",
    )
    for name, before, after in (
        ("a month of a site reads", lake.month_before, lake.month_after),
        ("latest reads", lake.latest_before, lake.latest_after),
    ):
        table.add_row(name, reads(before), reads(after))
    costs, saves = compaction_dollars(plan)
    return [
        table,
        Text(
            f"It costs ${costs:,.2f} a month, and saves ${saves:,.2f} of "
            f"{plan.settings.queries_per_day:,g} queries a day."
        ),
    ]


def reads(query: QueryCost) -> str:
    """Return what a query reads, and what that costs, for a person."""
    return (
        f"{query.objects:,.0f} objects, {size_of(query.scanned_bytes)}, ${query_dollars(query):.2g}"
    )


def _bill(lines: Sequence[BillLine]) -> Table:
    table = Table(
        title=f"A month, by prices of {prices.REGION} in {prices.DATE} (check them yourself)",
        show_footer=True,
        **_TITLED,
    )
    table.add_column("", footer="together")
    table.add_column("quantity", justify="right")
    table.add_column("unit")
    table.add_column("$", justify="right", footer=f"{total(tuple(lines)):,.2f}")
    table.add_column("")
    for line in lines:
        table.add_row(
            line.what,
            f"{line.quantity:,.1f}",
            line.price.unit,
            f"{line.dollars:,.2f}",
            Text(line.note, style="dim"),
        )
    return table


def _findings(findings: Sequence[PlanFinding]) -> list[Text]:
    if not findings:
        return [Text("\nNothing comes near a limit.", style="green")]
    styles = {"refuse": "bold red", "warn": "yellow"}
    return [Text("")] + [
        Text.assemble(
            (f"{each.severity}: ", styles[each.severity]),
            f"{each.message}.",
            (f"\n  {each.source}", "dim"),
        )
        for each in findings
    ]


def _proposals(findings: Sequence[PlanFinding], proposals: Sequence[PlanProposal]) -> list[Text]:
    refused = any(each.severity == "refuse" for each in findings)
    if not proposals:
        text = "\nNo settings of this design carry it; docs/scale.md names what does."
        return [Text(text, style="bold")] if refused else []
    lines = [Text("\nWhat passes:", style="bold")]
    region = proposals[0].plan.settings.region
    where = "" if region == limits.REGION else f" (in {region})"
    for each in proposals:
        delivery = each.plan.delivery
        apiece = " for the fullest" if each.stacks > 1 else ""
        lines.append(
            Text.assemble(
                f"  {each.what}\n",
                f"    {delivery.active_peak:,.0f} active partitions, "
                f"{each.plan.objects_per_day:,.0f} objects a day of "
                f"{size_of(each.plan.object_bytes)}, visible after "
                f"{each.plan.visible_median:,.0f} s, "
                f"${total(bill(each.plan)):,.0f} a month{apiece}\n",
                (f"    {each.command}\n    {each.deployment}", "cyan"),
                where,
            )
        )
    return lines


def amount(value: float) -> str:
    """Return a number for a person: three digits of a small one, all of a large one."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def size_of(count: float) -> str:
    """Return bytes for a person: `1.4 MB`."""
    return decimal(round(count))
