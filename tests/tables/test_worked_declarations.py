import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.declared import DEFAULT, load, shipped
from tests.declarations import FILES

ROOT = Path(__file__).parents[2]


def test_there_is_one_copy_of_the_articles_declaration() -> None:
    (sensors,) = (file for file in FILES if file.stem == "sensors")
    assert load(sensors) is shipped()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_worked_declaration_is_without_a_mistake_and_imports_only_what_users_have(
    file: Path,
) -> None:
    load(file)
    imports = {
        line.split()[1].partition(".")[0]
        for line in file.read_text().splitlines()
        if line.startswith(("from ", "import "))
    }
    assert imports <= {"chalicelib", "decimal", "msgspec", "time", "typing", "uuid"}


WORD = re.compile("[a-z]+")
"""A name that the code may use for something else, as it does `name` and `status`."""

GUESSES = ROOT / "sluice/init"
"""It knows usual names, to guess what a table's own stand for."""


def test_no_module_but_a_declaration_spells_a_fields_name() -> None:
    tables = map(load, FILES)
    fields = {name for table in tables for shape in table.shapes for name in shape.fields}
    names = {name for name in fields if not WORD.fullmatch(name)}
    assert names
    modules = [ROOT / "app.py"]
    for package in ("chalicelib", "infrastructure", "local", "sluice"):
        modules += sorted((ROOT / package).rglob("*.py"))
    spelled = {
        (str(module.relative_to(ROOT)), name)
        for module in modules
        if not {"node_modules", "cdk.out"} & {*module.parts}
        and module != DEFAULT
        and not module.is_relative_to(GUESSES)
        for text in spelled_texts(ast.parse(module.read_text()))
        for name in names & {text, *re.findall(r"[\w.-]+", text)}
    }
    assert spelled == set()


def spelled_texts(tree: ast.Module) -> Iterator[str]:
    """The texts, the names and the attributes in a module's code, its docstrings too."""
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) | ast.Name(id=text) | ast.Attribute(attr=text):
                yield text
            case ast.keyword(arg=str(text)):
                yield text
