"""How a question is given, and how its answer is printed."""

import pytest
from click.testing import CliRunner, Result

from sluice.cli import sluice
from sluice.cli.query import _print
from sluice.query.athena import QUERY_BYTES_MAX, QueryResult


def invoke(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(sluice, ["query", *arguments], input=given, catch_exceptions=False)


@pytest.mark.parametrize(
    ("arguments", "given"), [([""], None), ([" \n"], None), (["-"], ""), (["-"], "\n")]
)
def test_a_blank_question_is_a_mistake_of_usage(arguments: list[str], given: str | None) -> None:
    result = invoke(*arguments, given=given)
    assert result.exit_code == 2
    assert "the question is blank" in result.stderr


def test_sql_that_opens_with_a_comment_is_distinguished_from_an_option() -> None:
    result = invoke("-- the sites\nSELECT 1", "--csv")
    assert result.exit_code == 2
    assert 'sluice query --csv -- "..."' in result.stderr


def test_an_unknown_option_is_still_refused() -> None:
    result = invoke("latest", "--sight", "2")
    assert result.exit_code == 2
    assert "No such option" in result.stderr


@pytest.mark.parametrize(
    ("sql", "refusal"),
    [
        ("SELECT '\0'", "holds a NUL character"),
        (f"SELECT '{'ö' * (QUERY_BYTES_MAX // 2)}'", f"{QUERY_BYTES_MAX} at most"),
    ],
)
def test_a_question_that_athena_does_not_take_is_refused(sql: str, refusal: str) -> None:
    result = invoke("-", given=sql)
    assert result.exit_code == 1
    assert refusal in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_range_that_ends_before_it_begins_is_a_mistake_of_usage() -> None:
    result = invoke("latest", "--from", "2026-11-24", "--to", "2026-11-23")
    assert result.exit_code == 2
    assert "--from must be before --to" in result.stderr


def test_without_a_question_the_saved_queries_and_the_tables_are_listed() -> None:
    result = invoke()
    assert result.exit_code == 0
    assert "latest" in result.stdout
    assert "tables for SQL: changes, all_changes\n" in result.stdout
    assert "where the lake is compacted, also: last_changes, history, current\n" in result.stdout


@pytest.mark.parametrize("form", [None, "csv"])
def test_a_boolean_is_printed_as_sql_spells_it(
    capsys: pytest.CaptureFixture[str], form: str | None
) -> None:
    rows = iter([(True, False, None), (1, "True", 2)])
    _print(QueryResult(("a", "b", "c"), rows, 0, 0.0), form)
    words = capsys.readouterr().out.replace(",", " ").split()
    assert words == ["a", "b", "c", "true", "false", "1", "True", "2"]


def test_lines_of_a_table_in_a_pipe_end_where_their_text_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _print(QueryResult(("a", "b"), iter([("1", "long"), ("22", "s")]), 0, 0.0), None)
    assert capsys.readouterr().out == "a   b\n1   long\n22  s\n"
