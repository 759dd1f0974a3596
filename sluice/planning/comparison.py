"""A plan beside what it might be instead: with the other feed, and with or without compaction."""

from dataclasses import dataclass
from typing import get_args

from sluice.planning.bill import bill, compaction_lines, total
from sluice.planning.feeds import GIVES_UP
from sluice.planning.plan import Plan, adapt
from sluice.planning.settings import Feed


@dataclass(frozen=True, slots=True)
class FeedComparison:
    """The same plan with each feed."""

    plans: dict[Feed, Plan]
    dollars: dict[Feed, float]
    """What each comes to in a month, as a whole."""

    @property
    def cheaper(self) -> Feed:
        """The feed that costs less."""
        return min(self.dollars, key=lambda feed: self.dollars[feed])

    @property
    def saves(self) -> float:
        """Dollars a month between the two."""
        return max(self.dollars.values()) - min(self.dollars.values())

    @property
    def gives_up(self) -> tuple[str, ...]:
        """What the other feed has, and the cheaper one does not."""
        return GIVES_UP[self.cheaper]


def compare_feeds(plan: Plan) -> FeedComparison:
    """Return the plan with each feed."""
    plans = {feed: adapt(plan, feed=feed) for feed in get_args(Feed)}
    return FeedComparison(plans, {feed: total(bill(each)) for feed, each in plans.items()})


def compaction_dollars(plan: Plan) -> tuple[float, float]:
    """Return what compaction costs a month, and what it saves; where it is off, what it would."""
    on = plan if plan.settings.compacts else adapt(plan, compaction="daily")
    off = adapt(plan, compaction="off")
    costs = total(tuple(compaction_lines(on)))
    return costs, costs + total(bill(off)) - total(bill(on))
