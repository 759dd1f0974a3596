"""The verdict of the demonstration."""

from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from chalicelib.declared import shipped
from local.answers import CHECKS
from local.demo import Outcome
from local.shapes import Shape, shapes_table
from sluice.query.saved import FOLDER
from sluice.seed import Seeded

RIGHT = Outcome(Seeded(3, 1, 1), 5, 5, 1.5, 1, 0, 2, {"latest": True, "hours": True}, True)


def test_the_demo_is_content_when_all_came_out_once_and_all_answers_are_right() -> None:
    assert RIGHT.is_complete
    words = " ".join(RIGHT.sentences())
    assert "5 changes went in: 3 inserts, 1 change, 1 delete. 5 came out, 1.5 s after" in words
    assert "2 of 2 saved queries answer" in words


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("came_out", 4, "4 came out"),
        ("came_out", 6, "6 came out"),
        ("replayed", 0, "0 records failed"),
        ("quarantined", 1, "1 error object left"),
        ("answers", {"latest": True, "hours": False}, "wrong: hours."),
        ("verified", False, ""),
    ],
)
def test_whatever_is_wrong_is_named_and_fails_the_demo(name: str, value: Any, word: str) -> None:
    wrong = replace(RIGHT, **{name: value})
    assert not wrong.is_complete
    assert word in " ".join(wrong.sentences())


def test_deletes_that_the_deployment_drops_are_not_missed() -> None:
    assert replace(RIGHT, expected=4, came_out=4).is_complete


def test_every_saved_query_has_a_check() -> None:
    assert CHECKS.keys() == {file.stem for file in FOLDER.glob("*.sql")}


def test_a_row_shows_a_declaration_and_what_came_of_it() -> None:
    shapes = [
        Shape("ours", shipped(), RIGHT, 9.6),
        Shape("drifting", shipped(), replace(RIGHT, verified=False), 1),
        Shape("wrong", None, None, 0.2),
    ]
    console = Console(width=200, file=StringIO(), record=True)
    console.print(shapes_table(shapes))
    ours, drifting, wrong = (line.split() for line in console.export_text().splitlines()[1:])
    assert ours == [
        *("ours", "id:S", "record", "createdAtTime", "(ms)"),
        *("siteId/year/month/day/hour/minute", "5", "5", "2/2", "same", "10"),
    ]
    assert drifting[-2] == "differ"
    assert wrong == ["wrong", "failed", "0"]
    assert [shape.is_complete for shape in shapes] == [True, False, False]
