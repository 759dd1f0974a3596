"""Who may import whom."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = (
    "app",
    "chalicelib",
    "infrastructure",
    "local",
    "sluice",
    "checks",
    "docs",
    "tests",
)

MAY_IMPORT = {
    "chalicelib": set(),
    "app.py": {"chalicelib"},
    "infrastructure": {
        "chalicelib.catalog",
        "chalicelib.limits",
        "chalicelib.schema",
        "chalicelib.partitions",
        "chalicelib.change",
        "chalicelib.metrics",
        "sluice.planning",
        "sluice.query.saved",
    },
    "local": {"chalicelib", "sluice"},
    "sluice": {"chalicelib"},
    "checks": {"app", "chalicelib", "infrastructure", "local", "sluice"},
    "docs": {"chalicelib", "infrastructure", "sluice"},
}


def imports(module: Path) -> set[str]:
    """The modules of this project that a module imports from outside its own room."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
    room = module.relative_to(ROOT).parts[0].removesuffix(".py")
    return {name for name in names if name.split(".")[0] in ROOMS and name.split(".")[0] != room}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    allowed = MAY_IMPORT[room]
    modules = [ROOT / room] if room.endswith(".py") else sorted((ROOT / room).rglob("*.py"))
    modules = [module for module in modules if "node_modules" not in module.parts]
    assert modules
    for module in modules:
        wrong = {
            name
            for name in imports(module)
            if not any(f"{name}.".startswith(f"{prefix}.") for prefix in allowed)
        }
        assert not wrong, f"{module.relative_to(ROOT)} imports {sorted(wrong)}"


@pytest.mark.parametrize("pair", [("firehose", "pipe"), ("pipe", "firehose")])
def test_the_local_firehose_and_the_local_pipe_know_nothing_of_each_other(
    pair: tuple[str, str],
) -> None:
    one, other = pair
    for module in (ROOT / "local" / one).rglob("*.py"):
        assert f"local.{other}" not in module.read_text()


def test_what_ships_to_lambda_needs_msgspec_alone() -> None:
    requirements = (ROOT / "requirements.txt").read_text().split()
    assert [line.split("==")[0] for line in requirements] == ["msgspec"]
