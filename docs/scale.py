"""The tables of `scale.md`: three cases, worked through by the planner."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from chalicelib.schema import TABLE
from docs.markdown import markdown_table
from sluice.cli.plan_report import amount, batches, reads, size_of, visible
from sluice.planning.bill import bill, total
from sluice.planning.comparison import compaction_dollars, compare_feeds
from sluice.planning.findings import check_plan
from sluice.planning.plan import Plan, adapt, make_plan
from sluice.planning.proposals import command, propose
from sluice.planning.settings import PlanSettings, layout_named
from sluice.planning.workload import Workload

SMALL = Workload(changes_per_second=10, sites=20)
MIDDLE = Workload(changes_per_second=10_000, sites=2_000)
THOUSAND = Workload(changes_per_second=1_000, sites=200)
LARGE = Workload(changes_per_second=1_000_000, sites=100_000)


def _verdict(plan: Plan) -> str:
    findings = check_plan(plan)
    refused = [each.topic for each in findings if each.severity == "refuse"]
    if refused:
        return f"refused: {', '.join(refused)}"
    if findings:
        return f"passes, with a warning: {', '.join(each.topic for each in findings)}"
    return "passes"


ROWS: tuple[tuple[str, Callable[[Plan], str]], ...] = (
    ("active partitions at the peak", lambda each: amount(each.delivery.active_peak)),
    ("objects a day", lambda each: amount(each.objects_per_day)),
    ("an object", lambda each: size_of(each.object_bytes)),
    (
        "visible: half, 99 %, all",
        lambda each: (
            f"{each.visible_median:.0f} s, {each.visible_p99:.0f} s, {each.visible_longest:.0f} s"
        ),
    ),
    (
        "transform: invocations a second, at once",
        lambda each: f"{amount(each.delivery.invocations_per_second)}, {amount(each.concurrency)}",
    ),
    ("Direct PUT a second", lambda each: size_of(each.put_bytes)),
    ("shards of the stream", lambda each: amount(each.shards)),
    ("objects written a second", lambda each: amount(each.delivery.objects_per_second)),
    ("a query of a day reads", lambda each: size_of(each.query.scanned_bytes)),
    ("the table's writes, a month", lambda each: f"${bill(each)[0].dollars:,.0f}"),
    (
        "everything else, a month",
        lambda each: f"${total(bill(each)) - bill(each)[0].dollars:,.0f}",
    ),
    ("verdict", _verdict),
)


def small_case() -> str:
    """Return ten changes a second: by default, by the hour, and by the day with a long interval."""
    settings = PlanSettings(table=TABLE)
    coarser = replace(settings, layout=layout_named(TABLE, ["hour"]))
    largest = replace(settings, layout=layout_named(TABLE, ["day"]), buffer_seconds=900)
    return _columns([make_plan(SMALL, each) for each in (settings, coarser, largest)])


def middle_case() -> str:
    """Return ten thousand: the refused plan, and each proposal that passes."""
    settings = PlanSettings(table=TABLE)
    refused = make_plan(MIDDLE, settings)
    proposals = propose(refused, check_plan(refused))
    plans = [refused, *(each.plan for each in proposals)]
    return f"{_columns(plans)}\n\n" + "\n".join(
        f"- `{each.command}`: {each.what}. Deployed by `{each.deployment}`." for each in proposals
    )


def large_case() -> str:
    """Return a million: the refused plan and its findings."""
    refused = make_plan(LARGE, PlanSettings(table=TABLE))
    findings = check_plan(refused)
    return f"{_columns([refused])}\n\n" + "\n".join(
        f"- {each.severity}: {each.message} ([source]({each.source}))." for each in findings
    )


def compaction_case() -> str:
    """Return ten changes a second, most of them updates: without compaction, daily and hourly."""
    workload = replace(SMALL, updates=0.99, items=10_000)
    plan = make_plan(workload, PlanSettings(table=TABLE))
    plans = [adapt(plan, compaction=each) for each in ("daily", "hourly")]
    heads = [f"`{command(workload, each.settings)}`" for each in (plan, *plans)]
    off = plan.compaction
    rows = [
        [
            "files of a day",
            f"{plan.objects_per_day:,.0f}",
            *(f"{each.compaction.history.objects:,.0f} of `history`" for each in plans),
        ],
        ["files of `current`", "", *(f"{each.compaction.current.objects:,.0f}" for each in plans)],
        [
            "a month of a site reads",
            reads(off.month_before),
            *(reads(each.compaction.month_after) for each in plans),
        ],
        [
            "`latest` after a month reads",
            reads(off.latest_before),
            *(reads(each.compaction.latest_after) for each in plans),
        ],
    ]
    dollars = [compaction_dollars(each) for each in plans]
    rows += [
        [name, "", *(f"${each[place]:,.2f}" for each in dollars)]
        for place, name in enumerate(("it costs, a month", "it saves of 100 queries a day"))
    ]
    return markdown_table(["", *heads], rows)


def feeds_case() -> str:
    """Return ten, a thousand and ten thousand changes a second, with each feed."""
    comparisons = [
        compare_feeds(make_plan(each, PlanSettings(table=TABLE)))
        for each in (SMALL, THOUSAND, MIDDLE)
    ]
    rows = []
    for plans in (comparison.plans for comparison in comparisons):
        for feed, plan in plans.items():
            lines = bill(plan)
            fed = [line.dollars for line in lines if line.what.startswith(_FED)]
            rows.append(
                [
                    f"{plan.workload.changes_per_second:,.0f}",
                    feed,
                    batches(plan),
                    f"{size_of(plan.feed.billed_bytes)} a second",
                    visible(plan),
                    f"${sum(fed):,.0f}",
                    f"${total(lines) - lines[0].dollars:,.0f}",
                ]
            )
    heads = ("changes a second", "feed", "batches", "Firehose bills", "visible")
    return markdown_table([*heads, "feed and ingestion", "all but the table's writes"], rows)


_FED = ("DynamoDB stream", "EventBridge Pipes", "Feed", "Firehose ingestion")
"""The lines of the bill that depend on the feed."""


def _columns(plans: Sequence[Plan]) -> str:
    """Return a Markdown table with a column for each plan, headed by its command."""
    heads = [f"`{command(each.workload, each.settings)}`" for each in plans]
    rows = [[name, *(value(each) for each in plans)] for name, value in ROWS]
    return markdown_table(["", *heads], rows)
