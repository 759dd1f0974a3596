"""The expected values beside the simulation, at rates that both can compute."""

import time

import pytest

from chalicelib.schema import TABLE
from sluice.planning.expectation import expect
from sluice.planning.forecast import BufferLimits
from sluice.planning.settings import MIB
from sluice.planning.simulation import simulate
from sluice.planning.weights import weigh
from sluice.planning.workload import Workload
from tests.sluice.planning.planned import cut_at, planned

CASES = {
    "slow batches": ("minute", Workload(changes_per_second=9, sites=20), 60, 60),
    "quick batches": ("minute", Workload(changes_per_second=60, sites=20), 90, 0.5),
    "batches and minutes out of step": (
        "minute",
        Workload(changes_per_second=30, sites=50),
        60,
        25,
    ),
    "skewed sites": ("minute", Workload(changes_per_second=40, sites=500, skew=1), 60, 10),
    "late changes": ("minute", Workload(changes_per_second=20, sites=20, late=0.2), 60, 10),
    "a long interval": ("minute", Workload(changes_per_second=20, sites=20), 300, 10),
    "hours": ("hour", Workload(changes_per_second=2, sites=20), 60, 60),
    "without time": ("siteId", Workload(changes_per_second=20, sites=100, skew=1), 60, 10),
    "full buffers": ("siteId", Workload(changes_per_second=40, sites=2), 900, 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_both_ways_agree(case: str) -> None:
    layout, workload, seconds, transform_seconds = CASES[case]
    settings = planned(layout=cut_at(layout))
    weights = weigh(workload, TABLE, settings.layout)
    size = 0.5 * MIB if case == "full buffers" else 128 * MIB
    buffering = BufferLimits(seconds, size, transform_seconds, MIB)
    period = settings.bucket_seconds
    seconds_simulated = max(period or 0, 600.0)
    groups = settings.groups(workload)
    simulated = simulate(
        workload, weights, groups, settings.layout, period, buffering, seconds_simulated
    )
    expected = expect(workload, weights, groups, period, buffering)
    assert expected.objects_per_second == pytest.approx(simulated.objects_per_second, rel=0.1)
    assert expected.lines_per_object == pytest.approx(simulated.lines_per_object, rel=0.1)
    assert expected.active_mean == pytest.approx(simulated.active_mean, rel=0.1)
    assert expected.active_peak == pytest.approx(simulated.active_peak, rel=0.15)
    assert expected.invocations_per_second == pytest.approx(
        simulated.invocations_per_second, rel=0.1
    )
    assert expected.waits.median == pytest.approx(simulated.waits.median, rel=0.1)
    assert expected.waits.p99 == pytest.approx(simulated.waits.p99, rel=0.1)


def test_a_million_changes_a_second_take_about_a_second() -> None:
    workload = Workload(changes_per_second=1_000_000, sites=1_000_000, skew=1, late=0.1)
    settings = planned(layout=cut_at("minute"))
    weights = weigh(workload, TABLE, settings.layout)
    buffering = BufferLimits(60, 128 * MIB, 60, MIB)
    start = time.process_time()
    expect(workload, weights, settings.groups(workload), 60, buffering)
    assert time.process_time() - start < 3
