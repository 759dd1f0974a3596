"""The grid of partitions."""

from typing import Any

from local.page.heat import COLUMNS_MAX, ROWS_MAX, STEPS, TimeSpan, grid


def folder(site: Any, minute: Any, hour: Any = 0, day: Any = 1, year: Any = 2026) -> Any:
    return (
        f"data/siteId={site}/year={year}/month=01/day={day:02}/hour={hour:02}/minute={minute:02}/"
    )


def test_a_cell_counts_the_records_of_its_site_and_minute() -> None:
    heat = grid({folder("a", 1): 2, folder("a", 3): 8, folder("b", 3): 1})
    assert heat.level == "minute"
    assert heat.columns == (TimeSpan("2026-01-01", "00:01"), TimeSpan("2026-01-01", "00:03"))
    assert [(row.group, [cell.records for cell in row.cells]) for row in heat.rows] == [
        ("a", [2, 8]),
        ("b", [0, 1]),
    ]
    assert [cell.step for row in heat.rows for cell in row.cells] == [2, STEPS, 0, 1]
    assert [row.records for row in heat.rows] == [10, 1]


def test_too_many_minutes_are_shown_by_hour_and_too_many_hours_by_day() -> None:
    minutes = {folder("a", n % 60, n // 60): 1 for n in range(COLUMNS_MAX + 1)}
    by_hour = grid(minutes)
    assert (by_hour.level, by_hour.rows[0].records) == ("hour", len(minutes))
    assert by_hour.columns[0] == TimeSpan("2026-01-01", "00")
    by_day = grid({folder("a", 0, n % 24, 1 + n // 24): 1 for n in range(COLUMNS_MAX + 24)})
    assert by_day.level == "day"
    assert by_day.days == [(f"2026-01-0{day}", 1) for day in (1, 2, 3)]


def test_what_is_left_out_is_counted() -> None:
    years = grid({folder("a", 0, year=2000 + n): 1 for n in range(COLUMNS_MAX + 5)})
    assert (years.level, years.earlier, len(years.columns)) == ("year", 5, COLUMNS_MAX)
    sites = grid({folder(f"site-{n}", 0): 1 for n in range(ROWS_MAX + 3)})
    assert (sites.further_rows, len(sites.rows)) == (3, ROWS_MAX)


def test_the_sites_with_the_newest_records_are_the_rows_of_the_grid() -> None:
    old = {folder(f"site-{n:02}", 0): 9 for n in range(ROWS_MAX)}
    heat = grid({**old, folder("site-99", 1): 1})
    assert [row.group for row in heat.rows][-1] == "site-99"
    assert (heat.further_rows, len(heat.rows)) == (1, ROWS_MAX)


def test_a_site_is_shown_as_it_was_written() -> None:
    assert grid({folder("..%2F%3Cb%3E", 0): 1}).rows[0].group == "../<b>"


def test_rows_are_the_values_of_one_level_whatever_others_the_layout_has() -> None:
    day = "year=2026/month=01/day=02/"
    folders = {
        f"data/kind=order/region=NL/{day}": 2,
        f"data/kind=item/region=NL/{day}": 3,
        f"data/kind=item/region=DE/{day}": 4,
    }
    by_kind, by_region = grid(folders, "kind"), grid(folders, "region")
    assert {row.group: row.records for row in by_kind.rows} == {"order": 2, "item": 7}
    assert {row.group: row.records for row in by_region.rows} == {"NL": 5, "DE": 4}


def test_a_layout_of_time_alone_has_one_row() -> None:
    heat = grid({"data/year=2026/month=01/": 2, "data/year=2026/month=02/": 3})
    assert [(row.group, row.records) for row in heat.rows] == [("all", 5)]


def test_a_layout_without_time_has_one_column() -> None:
    heat = grid({"data/siteId=a/": 3})
    assert (heat.level, heat.rows[0].records, len(heat.columns)) == ("", 3, 1)


def test_an_empty_lake_has_no_rows() -> None:
    assert grid({}).rows == ()
