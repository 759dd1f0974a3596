"""What a question becomes before it is asked."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import OperationError
from sluice.query.pruning import everything, reads, unnamed
from sluice.query.text import (
    Selection,
    bound,
    hidden,
    literal,
    parameters_of,
    saved_queries,
    saved_query,
)

PARTITIONS = ("siteid_partition", "year", "month", "day")
ASKED = {"siteid_partition"}
FIRST = datetime(2023, 11, 15, 6, tzinfo=UTC)
LAST = datetime(2023, 12, 1, tzinfo=UTC)


@given(st.text())
def test_a_literal_is_one_token_that_reads_back(text: str) -> None:
    found = literal(text)
    assert found[0] == found[-1] == "'"
    inner = found[1:-1]
    assert "'" not in inner.replace("''", "")
    assert inner.replace("''", "'") == text


def test_a_parameter_is_bound_as_a_literal_everywhere_but_in_texts_and_comments() -> None:
    sql = """SELECT ':key', "a:key" -- :key
    /* :key */ FROM t WHERE a = :key OR b=:key AND c > x::bigint"""
    assert parameters_of(sql) == {"key"}
    assert bound(sql, {"key": "it's :key"}) == sql.replace("= :key", "= 'it''s :key'").replace(
        "=:key", "='it''s :key'"
    )


def test_a_parameter_without_a_value_is_refused_by_name() -> None:
    with pytest.raises(OperationError, match=":from_ms, :site"):
        bound("SELECT :site, :from_ms, :key", {"key": "a"})


def test_saved_queries_read_all_changes_once_so_that_a_part_can_stand_in() -> None:
    assert set(saved_queries()) == {
        *("duplicates", "history", "hours", "largest", "late", "latest"),
    }
    for query in saved_queries().values():
        assert query.text.count("FROM all_changes\n") == query.text.count("all_changes") == 1
        assert query.title[0].isupper()


def test_an_unknown_saved_query_is_refused_with_those_there_are() -> None:
    with pytest.raises(OperationError, match="no saved query nope; there are duplicates, history"):
        saved_query("nope")


def test_a_site_and_a_time_read_their_partitions_alone() -> None:
    sql = saved_query("hours").narrowed(Selection("a/b'", FIRST, LAST), PARTITIONS, ASKED)
    assert "siteid_partition = 'a%2Fb%27'" in sql
    assert "year BETWEEN 2023 AND 2023" in sql
    assert "year * 10000 + month * 100 + day * 1 BETWEEN 20231115 AND 20231130" in sql
    assert "siteid = 'a/b'''" in sql
    assert f"createdattime >= {int(FIRST.timestamp()) * 1000}" in sql
    assert f"createdattime < {int(LAST.timestamp()) * 1000}" in sql
    found = reads(sql)
    assert [read.table for read in found] == ["changes"]
    assert everything(found, PARTITIONS) is None
    assert unnamed(found, ASKED) == set()


def test_a_time_without_the_site_that_is_asked_for_reads_everything() -> None:
    sql = saved_query("hours").narrowed(Selection(start=FIRST), PARTITIONS, ASKED)
    assert "createdattime >=" in sql
    assert everything(reads(sql), PARTITIONS) == "all_changes has no partitions"


def test_a_time_is_enough_where_the_sites_are_known() -> None:
    sql = saved_query("hours").narrowed(Selection(start=FIRST), PARTITIONS, set())
    assert "FROM changes WHERE year BETWEEN 2023 AND 9999" in sql


def test_the_latest_state_is_picked_from_the_answer_for_records_move() -> None:
    query = saved_query("latest")
    assert query.narrowed_after
    sql = query.picked(Selection("2"))
    assert sql.endswith("WHERE siteid = '2'\n")
    assert everything(reads(sql), PARTITIONS)


def test_a_site_that_no_path_can_name_is_refused() -> None:
    with pytest.raises(OperationError, match="siteId must not be empty"):
        Selection("").parameters()


@pytest.mark.parametrize(
    ("selection", "why"),
    [
        (Selection("2", FIRST, LAST), None),
        (Selection("a b"), None),
        (Selection(), None),
        (Selection(start=datetime(2019, 12, 31, tzinfo=UTC)), "the years 2020 to 2023 alone"),
        (Selection(end=datetime(2024, 1, 1, tzinfo=UTC)), None),
        (Selection(end=datetime(2024, 1, 2, tzinfo=UTC)), "the years 2020 to 2023 alone"),
        (Selection("3"), "no such site"),
        (Selection("2", end=datetime(2019, 1, 1, tzinfo=UTC)), "the years 2020 to 2023 alone"),
        (Selection("2", datetime(2045, 1, 1, tzinfo=UTC)), "the years 2020 to 2023 alone"),
    ],
)
def test_what_changes_does_not_show_is_told(selection: Selection, why: str | None) -> None:
    found = hidden(selection, (2020, 2023), {"2", "a%20b"})
    assert found is None if why is None else found is not None and why in found
    assert hidden(selection, None, None) is None
