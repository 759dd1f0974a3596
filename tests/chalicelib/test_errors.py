"""The tree of exceptions at the head of chalicelib.errors."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import chalicelib.errors

ROOT = Path(__file__).parents[2]
PACKAGES = ("chalicelib", "infrastructure", "local", "sluice")


def documented() -> Iterator[tuple[str, str]]:
    """Yield every exception of the docstring's tree with its parent."""
    parents: list[str] = []
    for line in (chalicelib.errors.__doc__ or "").splitlines():
        if entry := re.match(r"((?:[│ ]   )*)(?:[├└]── )?([A-Z]\w+)   ", line):
            depth = (entry.start(2)) // 4
            parents[depth:] = [entry[2]]
            yield entry[2], parents[depth - 1] if depth else "Exception"


def declared() -> Iterator[tuple[str, str]]:
    """Yield every public exception class of the packages with its base."""
    classes = [
        (node.name, [base.id for base in node.bases if isinstance(base, ast.Name)])
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        if "node_modules" not in file.parts
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef)
    ]
    known = {"Exception", "ValueError", "RuntimeError", "TypeError", "OSError", "LookupError"}
    while more := {name for name, bases in classes if known.intersection(bases)} - known:
        known |= more
    for name, bases in classes:
        if known.intersection(bases) and not name.startswith("_"):
            assert len(bases) == 1, name
            yield name, bases[0]


def test_the_tree_shows_every_exception_below_its_base() -> None:
    tree = dict(documented())
    assert tree == dict(declared())
    assert [name for name, base in tree.items() if base == "Exception"] == ["SluiceError"]
