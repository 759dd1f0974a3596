"""Saved queries, and results."""

import pytest

from local.page.queries import Result, SavedQueries


def test_the_saved_queries_of_the_repository_are_offered():
    saved = SavedQueries()
    assert "latest" in [each.name for each in saved.all()]
    assert saved.named("latest").about
    assert saved.named("absent") is None


@pytest.mark.parametrize(
    ("values", "numeric"),
    [
        ([1, 2.5, None], True),
        ([1, "2"], False),
        ([True], False),
        ([None, None], False),
    ],
)
def test_a_column_of_numbers_is_told_from_others(values, numeric):
    result = Result.of([{"name": "a", "value": value} for value in values])
    assert result.columns == ("name", "value")
    assert result.numeric == (False, numeric)


def test_an_empty_answer_has_no_columns():
    result = Result.of([])
    assert (result.columns, result.rows, result.numeric) == ((), (), ())
