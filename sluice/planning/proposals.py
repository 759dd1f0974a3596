"""Proposals that fix a plan: other settings, planned again, of which only those that pass count."""

import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, get_args

from chalicelib.declaration import TIME_FORMATS
from sluice.planning.findings import PlanFinding, Topic, check_plan, passes
from sluice.planning.limits import ACTIVE_PARTITIONS
from sluice.planning.plan import Plan, make_plan
from sluice.planning.rules import Option, annotations, noted
from sluice.planning.settings import PlanSettings
from sluice.planning.workload import Workload

INTERVALS = (60, 300, 900)
STACKS_MAX = 128
"""Beyond this many stacks another design serves better; see docs/scale.md."""

FULLEST_DEVIATIONS = 3
"""A hash spreads sites unevenly: the fullest stack has about this many standard deviations more
than the average one."""

CONTEXT = (
    "schema",
    "layout",
    "buffer_seconds",
    "buffer_megabytes",
    "format",
    "feed",
    "feed_batch_size",
    "feed_window_seconds",
    "compaction",
)
"""The settings of a plan that a deployment takes by the same name."""

_ALL: frozenset[Topic] = frozenset(get_args(Topic))
_OVERFLOWING: frozenset[Topic] = frozenset({"active partitions"})
_WASTEFUL: frozenset[Topic] = frozenset({"small objects", "object writes"})
_READ: frozenset[Topic] = frozenset({"scans"})
_COMPACTED: frozenset[Topic] = frozenset({"scans", "compaction"})
_FED: frozenset[Topic] = frozenset({"feed", "pipe concurrency", "put requests"})
_CARRIED: frozenset[Topic] = frozenset(
    {"throughput", "put requests", "feed", "pipe concurrency", "table writes", "concurrency"}
)


@dataclass(frozen=True, slots=True)
class PlanProposal:
    """PlanSettings, or a workload split up, that pass."""

    what: str
    plan: Plan
    stacks: int = 1
    """The stacks over which the workload is split by a hash of the site."""

    @property
    def command(self) -> str:
        """The command that plans it."""
        return command(self.plan.workload, self.plan.settings)

    @property
    def deployment(self) -> str:
        """The command that deploys it."""
        text = deployment(self.plan.settings)
        if self.stacks == 1:
            return text
        return f"{text} -c stage=part-1, and so on to part-{self.stacks}"


def propose(plan: Plan, findings: tuple[PlanFinding, ...]) -> tuple[PlanProposal, ...]:
    """Return for each kind of finding the first change that fixes it, and passes.

    For a plan that only has warnings, a proposal brings no warning for another reason. For one that
    is refused, the proposal names such a warning.
    """
    topics = frozenset(each.topic for each in findings)
    refused = {each.topic for each in findings if each.severity == "refuse"}
    unwanted = frozenset() if refused else _ALL - topics
    proposals: list[PlanProposal] = []
    if topics & _OVERFLOWING:
        proposals += _first(plan, _coarser(plan, INTERVALS[:1]), topics & _OVERFLOWING | unwanted)
        proposals += _first(plan, _without_site(plan), topics & _OVERFLOWING | unwanted)
    if topics & _WASTEFUL:
        longer = [each for each in INTERVALS if each > plan.settings.buffer_seconds]
        proposals += _first(plan, _coarser(plan, longer), topics & _WASTEFUL | unwanted)
    if topics & _READ:
        proposals += _first(plan, _parquet(plan), unwanted)
    if topics & _COMPACTED:
        proposals += _first(plan, _compacted(plan), topics & _COMPACTED | unwanted)
    if topics & _FED:
        proposals += _first(plan, _packed(plan), topics & _FED | unwanted)
    if refused & (_OVERFLOWING | _CARRIED):
        proposals += _split(plan)
    unique = {(each.plan.workload, each.plan.settings): each for each in proposals}
    return tuple(_with_warnings(each, topics) for each in unique.values())


def _with_warnings(proposal: PlanProposal, topics: frozenset[Topic]) -> PlanProposal:
    """Return the proposal, naming the warnings that the plan it fixes did not have."""
    new = {each.topic: None for each in check_plan(proposal.plan) if each.topic not in topics}
    if not new:
        return proposal
    return replace(proposal, what=f"{proposal.what}; it brings a warning: {', '.join(new)}")


_Candidates = Iterator[tuple[str, PlanSettings]]


def _first(plan: Plan, candidates: _Candidates, topics: frozenset[Topic]) -> Iterator[PlanProposal]:
    """The first candidate other than the plan that passes and has none of these findings."""
    for what, settings in candidates:
        if settings != plan.settings and (fixed := _fixed(plan.workload, settings, topics)):
            yield PlanProposal(what, fixed)
            return


def _fixed(
    workload: Workload, settings: PlanSettings, topics: frozenset[Topic] = frozenset()
) -> Plan | None:
    """Return a plan that passes and has none of these findings; by expected values first."""
    for simulated in (False, True):
        plan = make_plan(workload, settings, simulated)
        if not passes(plan) or topics & {each.topic for each in check_plan(plan)}:
            return None
    return plan


def _coarser(plan: Plan, intervals: Sequence[float]) -> _Candidates:
    """Other intervals, then coarser times, then both."""
    for layout in _cut(plan.settings.layout):
        for interval in (plan.settings.buffer_seconds, *intervals):
            changed = replace(plan.settings, layout=layout, buffer_seconds=interval)
            yield _difference(plan.settings, changed), changed


def _without_site(plan: Plan) -> _Candidates:
    """Partitions by time only."""
    for layout in _cut(tuple(level for level in plan.settings.layout if level in TIME_FORMATS)):
        what = f"the layout {'/'.join(layout)}; a query of one site then reads all sites of its day"
        yield what, replace(plan.settings, layout=layout)


def _parquet(plan: Plan) -> _Candidates:
    """The same in columns."""
    what = "Parquet, of which a query reads only its columns"
    yield what, replace(plan.settings, format="parquet")


def _compacted(plan: Plan) -> _Candidates:
    """The same, compacted."""
    for schedule in ("daily", "hourly"):
        what = f"{schedule} compaction, of whose few files a query reads only its columns"
        yield what, replace(plan.settings, compaction=schedule)


def _packed(plan: Plan) -> _Candidates:
    """The same with the other feed."""
    what = "a function as the feed, which packs changes into records"
    yield what, replace(plan.settings, feed="function")


def _split(plan: Plan) -> Iterator[PlanProposal]:
    """Several stacks, each with the table of its own part of the sites; the fullest is planned."""
    stacks = 2
    while stacks < plan.delivery.active_mean / ACTIVE_PARTITIONS.value:
        stacks *= 2
    while stacks <= min(STACKS_MAX, plan.workload.sites):
        part = _fullest(plan.workload, stacks)
        if fixed := _fixed(part, plan.settings):
            what = (
                f"{stacks} stacks, each with the table of its part of the sites, by their hash; "
                f"the fullest gets about {part.sites:,} sites and "
                f"{part.changes_per_second:,.10g} changes a second"
            )
            yield PlanProposal(what, fixed, stacks)
            return
        stacks *= 2


def _fullest(workload: Workload, stacks: int) -> Workload:
    """Return the workload of the fullest stack: the largest site, and its part of the others."""
    average = workload.sites / stacks
    sites = min(workload.sites, math.ceil(average + FULLEST_DEVIATIONS * math.sqrt(average)))
    largest = workload.site_groups()[0].share
    others = (sites - 1) / max(1, workload.sites - 1) * (1 - largest)
    return replace(
        workload,
        changes_per_second=float(f"{workload.changes_per_second * (largest + others):.4g}"),
        sites=sites,
    )


def _cut(layout: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """A layout, then without its finest time level, and so on while a level is left."""
    while layout:
        yield layout
        times = [level for level in layout if level in TIME_FORMATS]
        if len(times) <= 1:
            return
        layout = tuple(level for level in layout if level != times[-1])


def _difference(before: PlanSettings, after: PlanSettings) -> str:
    parts = []
    if before.layout != after.layout:
        parts.append(f"the layout {'/'.join(after.layout)}")
    if before.buffer_seconds != after.buffer_seconds:
        parts.append(f"an interval of {after.buffer_seconds:g} s")
    return " and ".join(parts)


def command(workload: Workload, settings: PlanSettings) -> str:
    """Return the `sluice plan` that plans this; defaults are left out."""
    words = ["sluice", *(["--schema", settings.schema] if settings.schema else []), "plan"]
    for options in (workload, settings):
        for field, value in _changed(options):
            if option := noted(annotations(type(options))[field], Option):
                words += [option.flag(field), value]
    return shlex.join(words)


def deployment(settings: PlanSettings) -> str:
    """Return the `cdk deploy` with these settings; defaults are left out."""
    changed = dict(_changed(settings))
    context = [f"{name}={changed[name]}" for name in CONTEXT if name in changed]
    return shlex.join(["cdk", "deploy", *(word for each in context for word in ("-c", each))])


def _changed(options: Any) -> Iterator[tuple[str, str]]:
    """The fields that are not as by default, as text."""
    for field in fields(options):
        value = getattr(options, field.name)
        default = options.table.layout if field.name == "layout" else field.default
        if value != default:
            text = "/".join(value) if isinstance(value, tuple) else f"{value}"
            yield field.name, text.removesuffix(".0")
