from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.declaration import EPOCH_MS_MAX, Time
from chalicelib.times import epoch_ms, likely_unit

MOMENT_MS = 1_700_076_551_318


@pytest.mark.parametrize(
    ("time", "value"),
    [
        (Time("t", "s"), 1_700_076_551),
        (Time("t", "ms"), 1_700_076_551_318),
        (Time("t", "us"), 1_700_076_551_318_999),
        (Time("t", "iso"), "2023-11-15T19:29:11.318Z"),
        (Time("t", "iso"), "2023-11-15 20:29:11,318999+01:00"),
        (Time("t", "iso", offset="+01:00"), "2023-11-15T20:29:11.318"),
        (Time("t", "iso", offset="+01:00"), "2023-11-15T19:29:11.318Z"),
    ],
)
def test_a_time_is_read_in_its_unit(time: Time, value: Any) -> None:
    assert epoch_ms(time, value) == (1_700_076_551_000 if time.unit == "s" else MOMENT_MS)


def test_a_date_alone_is_its_midnight() -> None:
    assert epoch_ms(Time("t", "iso", offset="Z"), "2023-11-15") == 1_700_006_400_000


@given(st.integers(0, EPOCH_MS_MAX))
def test_units_agree_on_the_instant(instant: int) -> None:
    assert epoch_ms(Time("t", "us"), instant * 1000) == instant
    assert epoch_ms(Time("t", "s"), instant // 1000) == instant // 1000 * 1000


@pytest.mark.parametrize(
    ("time", "value", "rule"),
    [
        (Time("t", "iso"), "yesterday", "must be a time in ISO 8601, such as"),
        (Time("t", "iso"), "2023-11-15T19:29:11", "must have its offset from UTC"),
        (Time("t", "iso"), "2023-11-15", "must have its offset from UTC"),
        (Time("t", "iso"), "2023-02-30T00:00:00Z", "must be a time that exists"),
        (Time("t", "iso"), "1969-12-31T23:59:59Z", "must lie in the years 1970-9999, in ISO 8601$"),
        (Time("t", "iso"), 1_700_076_551, "must be a time in ISO 8601"),
        (Time("t", "s"), 10**38 - 1, "must lie in the years 1970-9999, in epoch seconds$"),
        (Time("t"), Decimal("1e125"), "must lie in the years 1970-9999, in epoch milliseconds$"),
        (Time("t", "us"), Decimal("-1e125"), "must lie in the years 1970-9999"),
        (Time("t"), Decimal("-0.5"), "must lie in the years 1970-9999"),
        (Time("t", "s"), -1, "must lie in the years 1970-9999, in epoch seconds$"),
        (Time("t", "s"), 1_700_076_551_318, "in epoch seconds; it looks like milliseconds$"),
        (Time("t"), 1_700_076_551_318_000, "in epoch milliseconds; it looks like microseconds$"),
    ],
)
def test_a_time_that_cannot_be_read_says_the_rule(time: Time, value: Any, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        epoch_ms(time, value)


@pytest.mark.parametrize(
    ("time", "value", "unit"),
    [
        (Time("t"), 1_700_076_551, "s"),
        (Time("t", "us"), 1_700_076_551_318, "ms"),
        (Time("t", "us"), 1_700_076_551, "s"),
        (Time("t"), MOMENT_MS, None),
        (Time("t"), 5, None),
        (Time("t", real_before_1973=True), 1_700_076_551, None),
        (Time("t", "s"), 1_700_076_551, None),
        (Time("t", "iso"), "1970-01-20T00:00:00Z", None),
    ],
)
def test_a_time_of_another_unit_is_known_by_its_size(
    time: Time, value: Any, unit: str | None
) -> None:
    assert likely_unit(time, value) == unit
