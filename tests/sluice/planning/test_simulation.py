"""The buffer rules, change by change."""

from itertools import pairwise

import pytest

from sluice.planning.forecast import BufferLimits
from sluice.planning.simulation import Arrival, Simulation, deliver

BUFFERING = BufferLimits(seconds=60, size=1_000, transform_seconds=10, transform_size=500)


def run(
    *arrivals: tuple[float, str, float, float], buffering: BufferLimits = BUFFERING
) -> Simulation:
    """Arrivals as (moment, partition, bytes of the record, bytes of the line)."""

    return deliver((Arrival(*each) for each in arrivals), buffering, lambda place: (place,))


def test_a_batch_is_released_when_its_first_record_has_waited_its_time() -> None:
    simulation = run((0, "a", 1, 1), (9, "a", 1, 1), (11, "a", 1, 1))
    assert simulation.invocations == [(10, 2), (21, 1)]


def test_a_batch_is_released_before_a_record_that_does_not_fit() -> None:
    simulation = run((0, "a", 300, 1), (1, "a", 200, 1), (2, "a", 1, 1))
    assert simulation.invocations == [(2, 2), (12, 1)]


def test_a_record_larger_than_a_batch_goes_alone() -> None:
    simulation = run((0, "a", 900, 1), (1, "a", 900, 1))
    assert simulation.invocations == [(1, 1), (11, 1)]


def test_a_partition_is_written_when_its_interval_is_over() -> None:
    simulation = run((0, "a", 1, 1), (30, "a", 1, 1), (65, "a", 1, 1))
    (first, second) = simulation.objects
    assert (first.opened, first.written, first.lines) == (10, 70, 2)
    assert (second.opened, second.written, second.lines) == (75, 135, 1)


def test_a_partition_is_written_at_once_when_it_is_full() -> None:
    simulation = run((0, "a", 1, 600), (1, "a", 1, 600), (2, "a", 1, 5))
    assert [(each.written, each.lines) for each in simulation.objects] == [(10, 2), (70, 1)]


def test_a_partition_that_was_full_is_not_written_by_its_former_time() -> None:
    simulation = run((0, "a", 1, 1_000), (30, "a", 1, 1), (100, "b", 1, 1))
    assert [
        (each.opened, each.written) for each in simulation.objects if each.partition == ("a",)
    ] == [
        (10, 10),
        (40, 100),
    ]


def test_a_partition_is_active_from_its_first_line_until_it_is_written() -> None:
    simulation = run((0, "a", 1, 1), (0, "b", 1, 1), (20, "c", 1, 1))
    assert [simulation.active(at) for at in (9, 10, 30, 69, 70, 90)] == [0, 2, 3, 3, 1, 0]


def test_every_change_waits_until_its_object_is_written() -> None:
    simulation = run((0, "a", 1, 1), (5, "a", 1, 1))
    assert sorted(simulation.waits) == [(0, 70), (5, 65)]


@pytest.mark.parametrize("count", [1, 10, 500])
def test_nothing_is_lost_and_nothing_delivered_twice(count: int) -> None:
    simulation = run(*((n / 7, f"{n % 13}", 30, 90) for n in range(count)))
    assert sum(each.lines for each in simulation.objects) == len(simulation.waits) == count
    assert all(one.written <= other.written for one, other in pairwise(simulation.objects))
