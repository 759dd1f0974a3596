"""Rates, from counts."""

from local.page.snapshot import RATE_SECONDS, History, StationCounts


def test_a_rate_is_the_mean_of_the_last_seconds() -> None:
    history = History()
    history.add(StationCounts(0.0, changed=1000))
    for second in range(10, 10 + int(RATE_SECONDS) + 1):
        history.add(StationCounts(float(second), changed=1000 + 20 * (second - 10), delivered=3))
    assert history.rates()["changed"] == 20
    assert history.rates()["delivered"] == 0


def test_a_restarted_station_has_no_negative_rate() -> None:
    history = History()
    history.add(StationCounts(1.0, delivered=500))
    history.add(StationCounts(2.0, delivered=3))
    assert history.rates()["delivered"] == 0
    assert history.series()["delivered"] == [0]


def test_samples_from_before_the_clock_was_set_back_are_forgotten() -> None:
    history = History()
    for second in (5000.0, 5001.0, 1400.0, 1401.0):
        history.add(StationCounts(second, changed=int(second)))
    assert history.series()["at"] == [1401.0]
    assert history.rates()["changed"] == 1


def test_the_series_has_a_rate_for_each_pair_of_samples() -> None:
    history = History()
    for second, count in enumerate((0, 4, 10)):
        history.add(StationCounts(float(second), quarantined=count))
    series = history.series()
    assert (series["at"], series["quarantined"]) == ([1.0, 2.0], [4, 6])


def test_nothing_is_known_before_the_second_sample() -> None:
    history = History()
    assert history.rates()["changed"] == 0
    history.add(StationCounts(1.0, changed=5))
    assert history.rates()["changed"] == 0
    assert history.series()["at"] == []
