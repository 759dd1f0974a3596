"""What would mend a plan: other settings, planned again, of which only those that pass are told."""

import math
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, get_args

from chalicelib.partitions import TIME_FORMATS
from chalicelib.schema import SITE
from sluice.planning.findings import PlanFinding, Topic, check_plan, passes
from sluice.planning.limits import ACTIVE_PARTITIONS
from sluice.planning.plan import Plan, make_plan
from sluice.planning.rules import Option, annotations, noted
from sluice.planning.settings import PlanSettings
from sluice.planning.workload import Workload

INTERVALS = (60, 300, 900)
STACKS_MAX = 128
"""Beyond so many stacks another design serves better; see docs/scale.md."""

FULLEST_DEVIATIONS = 3
"""A hash deals sites unevenly: the fullest stack has about so many standard deviations more than
the average one."""

CONTEXT = ("layout", "buffer_seconds", "buffer_megabytes", "format")
"""The settings of a plan that a deployment is given by the same name."""

_ALL: frozenset[Topic] = frozenset(get_args(Topic))
_OVERFLOWING: frozenset[Topic] = frozenset({"active partitions"})
_WASTEFUL: frozenset[Topic] = frozenset({"small objects", "object writes"})
_READ: frozenset[Topic] = frozenset({"scans"})
_CARRIED: frozenset[Topic] = frozenset(
    {"throughput", "put requests", "pipe", "pipe concurrency", "table writes", "concurrency"}
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """PlanSettings, or a workload split up, that pass."""

    what: str
    plan: Plan
    stacks: int = 1
    """Over how many stacks the workload is split by a hash of the site."""

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


def propose(plan: Plan, findings: tuple[PlanFinding, ...]) -> tuple[Proposal, ...]:
    """For each kind of finding the first change that mends it, and passes.

    A plan that is only warned of is given nothing that is warned of for another reason. For one
    that is refused, the proposal tells of such a warning.
    """
    topics = {each.topic for each in findings}
    refused = {each.topic for each in findings if each.severity == "refuse"}
    unwanted = frozenset() if refused else _ALL - topics
    proposals: list[Proposal] = []
    if topics & _OVERFLOWING:
        proposals += _first(_coarser(plan), topics & _OVERFLOWING | unwanted)
        proposals += _first(_without_site(plan), topics & _OVERFLOWING | unwanted)
    if topics & _WASTEFUL:
        proposals += _first(_fewer_objects(plan), topics & _WASTEFUL | unwanted)
    if topics & _READ:
        proposals += _first(_parquet(plan), unwanted)
    if refused & (_OVERFLOWING | _CARRIED):
        proposals += _split(plan)
    unique = {(each.plan.workload, each.plan.settings): each for each in proposals}
    return tuple(_with_warnings(each, topics) for each in unique.values())


def _with_warnings(proposal: Proposal, topics: set[Topic]) -> Proposal:
    """The proposal, which tells of the warnings that the plan it mends did not have."""
    new = {each.topic: None for each in check_plan(proposal.plan) if each.topic not in topics}
    if not new:
        return proposal
    return replace(proposal, what=f"{proposal.what}; it brings a warning: {', '.join(new)}")


_Candidates = Iterator[tuple[str, PlanSettings, Workload]]


def _first(candidates: _Candidates, topics: "frozenset[Topic] | set[Topic]") -> Iterator[Proposal]:
    """The first candidate that passes and has none of these findings."""
    for what, settings, workload in candidates:
        if _mends(make_plan(workload, settings, simulated=False), topics):
            tried = make_plan(workload, settings)
            if _mends(tried, topics):
                yield Proposal(what, tried)
                return


def _mends(tried: Plan, topics: "frozenset[Topic] | set[Topic]") -> bool:
    """Whether a plan passes, and has none of these findings."""
    return passes(tried) and not topics & {each.topic for each in check_plan(tried)}


def _coarser(plan: Plan) -> _Candidates:
    """A shorter interval, then coarser times, then both."""
    settings = plan.settings
    for layout in _cut(settings.layout):
        for interval in (settings.buffer_seconds, INTERVALS[0]):
            changed = replace(settings, layout=layout, buffer_seconds=interval)
            if changed != settings:
                yield _described(settings, changed), changed, plan.workload


def _without_site(plan: Plan) -> _Candidates:
    """Partitions by time alone."""
    settings = plan.settings
    for layout in _cut(tuple(level for level in settings.layout if level != SITE)):
        changed = replace(settings, layout=layout)
        what = f"the layout {'/'.join(layout)}; a query of one site then reads all sites of its day"
        if changed != settings:
            yield what, changed, plan.workload


def _fewer_objects(plan: Plan) -> _Candidates:
    """A longer interval, then coarser times, then both."""
    settings = plan.settings
    longer = [each for each in INTERVALS if each > settings.buffer_seconds]
    for layout in _cut(settings.layout):
        for interval in (settings.buffer_seconds, *longer):
            changed = replace(settings, layout=layout, buffer_seconds=interval)
            if changed != settings:
                yield _described(settings, changed), changed, plan.workload


def _parquet(plan: Plan) -> _Candidates:
    """The same in columns."""
    changed = replace(plan.settings, format="parquet")
    if changed != plan.settings:
        yield "Parquet, of which a query reads only its columns", changed, plan.workload


def _split(plan: Plan) -> Iterator[Proposal]:
    """Several stacks, each with the table of its own part of the sites; the fullest is plan."""
    stacks = 2
    while stacks < plan.delivery.active_mean / ACTIVE_PARTITIONS.value:
        stacks *= 2
    while stacks <= min(STACKS_MAX, plan.workload.sites):
        part = _fullest(plan.workload, stacks)
        if passes(make_plan(part, plan.settings, simulated=False)) and passes(
            tried := make_plan(part, plan.settings)
        ):
            what = (
                f"{stacks} stacks, each with the table of its part of the sites, by their hash; "
                f"the fullest gets about {part.sites:,} sites and "
                f"{part.changes_per_second:,.10g} changes a second"
            )
            yield Proposal(what, tried, stacks)
            return
        stacks *= 2


def _fullest(workload: Workload, stacks: int) -> Workload:
    """What the fullest of some stacks gets: the largest site, and more than its part of others."""
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


def _described(before: PlanSettings, after: PlanSettings) -> str:
    parts = []
    if before.layout != after.layout:
        parts.append(f"the layout {'/'.join(after.layout)}")
    if before.buffer_seconds != after.buffer_seconds:
        parts.append(f"an interval of {after.buffer_seconds:g} s")
    return " and ".join(parts)


def command(workload: Workload, settings: PlanSettings) -> str:
    """The `sluice plan` that plans this; what is as by default is left out."""
    words = ["sluice", "plan"]
    for given in (workload, settings):
        for field, value in _changed(given):
            if option := noted(annotations(type(given))[field], Option):
                words += [option.flag(field), value]
    return shlex.join(words)


def deployment(settings: PlanSettings) -> str:
    """The `cdk deploy` with these settings; what is as by default is left out."""
    given = dict(_changed(settings))
    context = [f"-c {name}={given[name]}" for name in CONTEXT if name in given]
    return " ".join(["cdk deploy", *context])


def _changed(given: Any) -> Iterator[tuple[str, str]]:
    """The fields that are not as by default, as text."""
    for field in fields(given):
        value = getattr(given, field.name)
        if value != field.default:
            text = "/".join(value) if isinstance(value, tuple) else f"{value}"
            yield field.name, text.removesuffix(".0")
