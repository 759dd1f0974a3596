"""What a workload may be, and how its sites share the changes."""

import math
from typing import Any

import pytest

from sluice.planning.rules import PlanError
from sluice.planning.workload import Workload


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("changes_per_second", 0, "above 0 and at most 100,000,000"),
        ("changes_per_second", math.inf, "above 0 and at most 100,000,000"),
        ("item_bytes", 0, "a whole number from 1 to 409,600, DynamoDB's largest item"),
        ("item_bytes", 1.5, "a whole number from 1 to 409,600, DynamoDB's largest item"),
        ("item_bytes", 400 * 1024 + 1, "a whole number from 1 to 409,600, DynamoDB's largest item"),
        ("sites", 0, "a whole number from 1 to 100,000,000"),
        ("skew", -0.1, "from 0 to 5"),
        ("updates", 1.1, "from 0 to 1"),
        ("late_hours", 0, "above 0 and at most 87,600"),
        ("late", math.nan, "from 0 to 1"),
    ],
)
def test_a_value_outside_its_rule_is_named_with_the_rule(field: str, value: Any, rule: str) -> None:
    with pytest.raises(PlanError) as refusal:
        Workload(**{"changes_per_second": 1, field: value})
    assert refusal.value.errors == (f"{field} is {value!r}, but must be {rule}",)


def test_all_wrong_values_are_reported_together() -> None:
    with pytest.raises(PlanError) as refusal:
        Workload(changes_per_second=-1, sites=0)
    assert [error.split()[0] for error in refusal.value.errors] == ["changes_per_second", "sites"]


def test_shares_of_the_same_changes_make_at_most_one() -> None:
    with pytest.raises(PlanError, match="at most 1 together"):
        Workload(changes_per_second=1, updates=0.6, deletes=0.6)


@pytest.mark.parametrize("sites", [1, 7, 20, 21, 1_000, 1_000_000])
@pytest.mark.parametrize("skew", [0, 0.5, 1, 2])
def test_the_groups_hold_every_site_and_all_changes(sites: int, skew: float) -> None:
    groups = Workload(changes_per_second=1, sites=sites, skew=skew).site_groups()
    assert sum(group.count for group in groups) == sites
    assert math.fsum(group.count * group.share for group in groups) == pytest.approx(1)
    shares = [group.share for group in groups]
    assert shares == sorted(shares, reverse=True)


def test_at_a_skew_of_one_the_tenth_site_has_a_tenth() -> None:
    shares: list[Any] = [
        group.share
        for group in Workload(changes_per_second=1, sites=1_000, skew=1).site_groups()
        if group.count == 1
    ]
    assert shares[9] == pytest.approx(shares[0] / 10)
