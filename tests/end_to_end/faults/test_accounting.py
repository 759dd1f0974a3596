"""The arithmetic of the fault suite."""

import pytest

from tests.end_to_end.faults.accounting import Account, accounted


def test_every_change_has_one_place() -> None:
    account = accounted("abcd", delivered="ab", quarantined="c", given_up="d")
    assert account == Account(changes=4, delivered=2, quarantined=1, given_up=1)


def test_a_change_that_is_nowhere_is_lost() -> None:
    assert accounted("abc", delivered="ac") == Account(changes=3, delivered=2, lost=1)


def test_copies_beyond_the_first_are_duplicates_wherever_they_lie() -> None:
    account = accounted("ab", delivered="aab", quarantined="a", given_up="b")
    assert account == Account(changes=2, delivered=2, duplicates=3)


def test_what_never_entered_the_table_is_reported() -> None:
    with pytest.raises(AssertionError, match=r"never entered the table: \['x'\]"):
        accounted("ab", delivered="abx")
