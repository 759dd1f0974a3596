import pytest

from sluice.backfill.capacity import PAGE_ITEMS_FIRST, PAGE_ITEMS_MAX, RATE_MIN, ReadCapacity


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def read_for(seconds: float, capacity: ReadCapacity, clock: Clock, cost: float) -> float:
    """Units spent by one who reads as soon as the budget lets him."""
    spent, end = 0.0, clock.now + seconds
    while clock.now < end:
        clock.now += max(0, capacity.delay())
        capacity.spent(cost, 1)
        spent += cost
    return spent


def test_the_first_read_need_not_wait(clock: Clock) -> None:
    assert ReadCapacity(10, 1, clock).delay() <= 0


@pytest.mark.parametrize("cost", [0.5, 3, 128])
def test_the_budget_is_used_and_not_exceeded(clock: Clock, cost: float) -> None:
    spent = read_for(600, ReadCapacity(20, 4, clock), clock, cost)
    assert spent == pytest.approx(600 * 20, rel=0.02)


def test_unused_capacity_is_not_saved_up(clock: Clock) -> None:
    capacity = ReadCapacity(10, 1, clock)
    clock.now += 1000
    capacity.spent(50, 1)
    assert capacity.delay() == pytest.approx(5)


def test_throttling_halves_the_rate_and_pages_read_bring_it_back(clock: Clock) -> None:
    capacity = ReadCapacity(40, 1, clock)
    capacity.throttled()
    capacity.throttled()
    capacity.spent(10, 1)
    assert capacity.delay() == pytest.approx(1)
    for _ in range(100):
        capacity.spent(0, 0)
    clock.now += 10
    capacity.spent(40, 1)
    assert capacity.delay() == pytest.approx(1)


@pytest.mark.parametrize(("budget", "least"), [(40, RATE_MIN), (0.1, 0.1)])
def test_however_throttled_some_rate_remains(clock: Clock, budget: float, least: float) -> None:
    capacity = ReadCapacity(budget, 1, clock)
    for _ in range(100):
        capacity.throttled()
    capacity.spent(least, 1)
    assert capacity.delay() == pytest.approx(1)


def test_pages_are_sized_to_cost_all_threads_together_a_second(clock: Clock) -> None:
    capacity = ReadCapacity(80, 4, clock)
    assert capacity.page_items == PAGE_ITEMS_FIRST
    capacity.spent(50, 100)
    assert capacity.page_items == 40


@pytest.mark.parametrize(("units", "items", "size"), [(128, 1, 1), (0.5, 100_000, PAGE_ITEMS_MAX)])
def test_a_page_has_one_item_at_least_and_not_endlessly_many(
    clock: Clock, units: float, items: int, size: int
) -> None:
    capacity = ReadCapacity(10, 4, clock)
    capacity.spent(units, items)
    assert capacity.page_items == size


def test_an_empty_page_tells_nothing_of_the_items_size(clock: Clock) -> None:
    capacity = ReadCapacity(10, 1, clock)
    capacity.spent(0.5, 0)
    assert capacity.page_items == PAGE_ITEMS_FIRST
