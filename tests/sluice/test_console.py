"""No text is read as markup, and none steers a terminal, wherever it is printed."""

import ast
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Group
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from sluice.console import PlainConsole
from sluice.wording import printable

ROOT = Path(__file__).parents[2]

HOSTILE = "a[/]b [bold red]c[/bold red] :smile: \x1b]0;title \x9b31m \u202e"
SHOWN = r"a[/]b [bold red]c[/bold red] :smile: \u001b]0;title \u009b31m \u202e"


def table(text: str) -> Table:
    of = Table(text, title=text, caption=text)
    of.add_column(text, footer=text)
    of.add_row(text, Text(text))
    return of


def tree(text: str) -> Tree:
    of = Tree(text)
    of.add(text).add(Text(text))
    return of


@pytest.mark.parametrize(
    "make",
    [str, Text, table, tree, lambda text: Group(text, Text(text))],
    ids=["text", "Text", "table", "tree", "group"],
)
@pytest.mark.parametrize("is_terminal", [True, False])
def test_text_is_printed_as_it_is_with_its_control_characters_escaped(
    make: Callable[[str], Any], is_terminal: bool
) -> None:
    file = io.StringIO()
    console = PlainConsole(
        file=file, width=1_000, force_terminal=is_terminal, color_system=None, legacy_windows=False
    )
    console.print(make(HOSTILE))
    text = file.getvalue()
    assert SHOWN in text
    lines = text.replace("\x1b[1m", "").replace("\x1b[3m", "").replace("\x1b[0m", "")
    assert all(line.isprintable() for line in lines.replace("\x1b[2;3m", "").split("\n"))
    assert text.count(SHOWN) == text.count("a[/]b")


def test_what_moves_the_cursor_or_rings_is_not_printed() -> None:
    file = io.StringIO()
    console = PlainConsole(file=file, width=100, force_terminal=True, color_system=None)
    console.print("a\r\x07\x08\x0b\x0cb", Text("c\r\x07\x08\x0b\x0cd"))
    assert file.getvalue().strip().isprintable()


def test_what_is_escaped_in_json_still_says_the_same() -> None:
    assert printable("\x7f\u2028\U000e0001") == r"\u007f\u2028\udb40\udc01"


@pytest.mark.parametrize(
    "file",
    sorted(
        str(each.relative_to(ROOT))
        for folder in ("sluice", "local")
        for each in (ROOT / folder).rglob("*.py")
    ),
)
def test_nothing_is_printed_by_a_console_that_reads_markup(file: str) -> None:
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            assert name not in ("Console", "from_markup", "print_json_str", "rprint"), file
            assert name != "print" or isinstance(node.func, ast.Attribute), file
