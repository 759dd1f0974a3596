"""The saved queries."""

from pathlib import Path

import pytest

from chalicelib.declaration import Key, Table
from chalicelib.schema import TABLE
from sluice.errors import OperationError
from sluice.query.parameters import tokenize
from sluice.query.saved import DIRECTIVES, saved_queries, saved_query


def test_saved_queries_read_all_changes_once_so_that_a_part_can_stand_in() -> None:
    assert set(saved_queries(TABLE)) == {
        *("duplicates", "history", "hours", "largest", "late", "latest"),
    }
    for query in saved_queries(TABLE).values():
        assert query.sql.count("FROM all_changes\n") == query.sql.count("all_changes") == 1
        assert query.description[0].isupper()
        # `narrow` puts a WITH before it.
        assert tokenize(query.sql)[0].text == "SELECT"


def test_the_latest_state_needs_the_last_change_of_each_key_alone() -> None:
    latest = saved_query(TABLE, "latest", last_changes=True)
    assert latest.source == "last_changes"
    assert latest.sql.count("FROM last_changes\n") == 1
    assert "all_changes" not in latest.sql
    assert saved_query(TABLE, "latest").source == "all_changes"
    assert saved_query(TABLE, "history", last_changes=True).source == "all_changes"


def test_an_unknown_saved_query_is_refused_with_those_there_are() -> None:
    with pytest.raises(OperationError, match="no saved query nope; there are duplicates, history"):
        saved_query(TABLE, "nope")


def test_a_query_comes_with_what_its_comments_say(tmp_path: Path) -> None:
    (tmp_path / "mine.sql").write_text(
        "-- Mine.\n-- Sluice: filter-answer\n-- A note: why.\nSELECT 1 WHERE 2 = :key -- :key\n"
    )
    (query,) = saved_queries(TABLE, folder=tmp_path).values()
    assert (query.name, query.description) == ("mine", "Mine.")
    assert query.directives == DIRECTIVES
    assert query.parameters == {"key"}
    assert query.prepared == query.sql.replace("= :key", "= ?")


def test_a_directive_is_not_the_description_wherever_it_stands(tmp_path: Path) -> None:
    (tmp_path / "mine.sql").write_text("-- sluice: filter-answer\n-- Mine.\nSELECT 1")
    (tmp_path / "none.sql").write_text("-- sluice: filter-answer\nSELECT 1")
    mine, none = saved_queries(TABLE, folder=tmp_path).values()
    assert none.description == ""
    assert mine.description == "Mine."
    assert mine.directives == DIRECTIVES


@pytest.mark.parametrize(
    ("sql", "refusal"),
    [
        (
            "-- Mine.\n-- sluice: filter_answer\nSELECT 1",
            "mine.sql has the unknown directive 'sluice: filter_answer'; .* are filter-answer",
        ),
        ("SELECT 1 /*sluice:*/", "unknown directive 'sluice:'"),
        ("-- Mine.\n-- sluice filter-answer\nSELECT 1", "directive 'sluice filter-answer'"),
        ("-- Mine.\n-- note: sluice: bogus\nSELECT 1", "directive 'note: sluice: bogus'"),
        ("/* Mine.\nsluice: filter-answer */ SELECT 1", "a comment of its own"),
        ("-- sluice: filter-answer here\nSELECT 1", "unknown directive"),
        ("SELECT 'unfinished", "quote that is not closed"),
        ("-- Nothing.", "holds no SQL"),
        ("SELECT {keys} FROM all_changes", "mine.sql has the unknown word 'keys' in braces"),
    ],
)
def test_a_file_that_is_wrong_is_refused(tmp_path: Path, sql: str, refusal: str) -> None:
    (tmp_path / "mine.sql").write_text(sql)
    with pytest.raises(OperationError, match=refusal):
        saved_queries(TABLE, folder=tmp_path)


def test_the_words_of_a_template_are_the_tables_columns(tmp_path: Path) -> None:
    (tmp_path / "mine.sql").write_text(
        "SELECT {group, key,} {new copies}, {new id}, {group,} {time}\n"
        "FROM all_changes WHERE {is_key} ORDER BY {key,} 1"
    )
    table = Table(key=(Key("pk"), Key("copies", "N")), layout=("year",))
    (mine,) = saved_queries(table, folder=tmp_path).values()
    assert mine.sql == (
        'SELECT "pk", "copies", "copies_2", "id", "changedat"\n'
        'FROM all_changes WHERE "pk" = :key AND "copies" = :sort_key ORDER BY "pk", "copies", 1'
    )
    (first_part,) = saved_queries(table, key_parts=1, folder=tmp_path).values()
    assert first_part.parameters == {"key"}
    (of_site,) = saved_queries(TABLE, folder=tmp_path).values()
    assert of_site.sql.startswith(
        'SELECT "siteid", "id", "copies", "id_2", "siteid", "createdattime"'
    )
