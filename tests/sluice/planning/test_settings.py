"""Which settings a plan can be made for."""

import math
from typing import Any

import pytest

from sluice.planning.rules import PlanError
from tests.sluice.planning.planned import planned


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("buffer_seconds", math.nan),
        ("buffer_seconds", 901),
        ("buffer_megabytes", math.inf),
        ("queries_per_day", math.nan),
        ("queries_per_day", 1e300),
        ("scan_gigabytes", math.nan),
        ("shards", 10**24),
        ("shards", 1.5),
        ("parallelization", 0),
        ("region", "mars"),
        ("region", ""),
    ],
)
def test_a_setting_outside_its_rule_is_named(field: str, value: Any) -> None:
    with pytest.raises(PlanError, match=rf"{field} is "):
        planned(**{field: value})


@pytest.mark.parametrize("region", ["eu-west-2", "us-gov-west-1", "ap-southeast-5"])
def test_a_region_is_known_by_the_form_of_its_name(region: str) -> None:
    assert planned(region=region).region == region
