"""The parameters of a query."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import OperationError
from sluice.query.parameters import bind, literal, parameters_of


@given(st.text())
def test_a_literal_is_one_token_that_reads_back(text: str) -> None:
    found = literal(text)
    assert found[0] == found[-1] == "'"
    inner = found[1:-1]
    assert "'" not in inner.replace("''", "")
    assert inner.replace("''", "'") == text


@given(st.text().map(literal))
def test_what_a_literal_holds_is_never_a_parameter(text: str) -> None:
    assert parameters_of(f"SELECT {text}, :key") == {"key"}


def test_a_parameter_is_bound_as_a_literal_everywhere_but_in_texts_and_comments() -> None:
    sql = """SELECT ':key', "a:key" -- :key
    /* :key */ FROM t WHERE a = :key OR b=:key AND c > x::bigint"""
    assert parameters_of(sql) == {"key"}
    assert bind(sql, {"key": "it's :key"}) == sql.replace("= :key", "= 'it''s :key'").replace(
        "=:key", "='it''s :key'"
    )


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT a[1:key], t.a:key, 'ö💥', :site", {"site"}),
        ("SELECT : key, :Key, :1", set()),
        ("SELECT '\\', :key", {"key"}),
        ("/* /* */ SELECT :key", {"key"}),
        ("EXPLAIN SELECT :key; SHOW x :site", {"key", "site"}),
        ("SELECT 'unfinished :key", set()),
        ("", set()),
    ],
)
def test_a_name_is_a_parameter_where_a_value_may_stand(sql: str, names: set[str]) -> None:
    assert parameters_of(sql) == names


def test_a_parameter_without_a_value_is_refused_by_name() -> None:
    with pytest.raises(OperationError, match=":from_ms, :site"):
        bind("SELECT :site, :from_ms, :key", {"key": "a"})
