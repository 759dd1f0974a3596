"""What import-linter cannot see of who imports whom; its contracts stand in pyproject.toml."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_lambda_entry_points_import_chalice_and_chalicelib_alone() -> None:
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / "app.py").read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module))
    packages = {name.partition(".")[0] for name in names}
    assert packages == {"chalice", "chalicelib", "collections", "functools", "http", "typing"}


def test_what_ships_to_lambda_needs_msgspec_alone() -> None:
    requirements = (ROOT / "requirements.txt").read_text().split()
    assert [line.split("==")[0] for line in requirements] == ["msgspec"]
