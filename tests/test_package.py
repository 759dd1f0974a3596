"""The installed package, in an environment that has what it declares and nothing else."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHIPPED = ("chalicelib", "sluice", "pyproject.toml", "README.md")


class Installed:
    """An environment with the package, built from what it ships."""

    def __init__(self, folder: Path) -> None:
        source = folder / "source"
        for name in SHIPPED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            source.mkdir(exist_ok=True)
            copy(ROOT / name, source / name)
        venv.create(folder / "venv", with_pip=True)
        self.programs = folder / "venv/bin"
        self.elsewhere = folder
        self.run("python", "-m", "pip", "install", "--quiet", str(source))

    def run(self, program: str, *arguments: str, code: int = 0) -> str:
        """Return what a program prints, run away from the sources; it must end with that code."""
        run = subprocess.run(
            [self.programs / program, *arguments],
            cwd=self.elsewhere,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert run.returncode == code, run.stdout + run.stderr
        return run.stdout + run.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("package"))


def test_the_command_lists_all_its_verbs(installed: Installed) -> None:
    assert (
        installed.run("sluice", "--help")
        == subprocess.run(
            [Path(sys.executable).parent / "sluice", "--help"], capture_output=True, text=True
        ).stdout
    )


def test_a_plan_is_made_without_a_stack(installed: Installed) -> None:
    assert "10 changes a second" in installed.run("sluice", "plan", "--rate", "10")


def test_the_saved_queries_are_in_the_package(installed: Installed) -> None:
    listed = [each["name"] for each in json.loads(installed.run("sluice", "query", "--json"))]
    assert sorted(listed) == sorted(file.stem for file in (ROOT / "sluice").rglob("*.sql"))


def test_every_module_runs_with_what_the_package_declares(installed: Installed) -> None:
    modules = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for file in (ROOT / "sluice").rglob("*.py")
        if file.stem not in ("__init__", "__main__")
    ]
    assert "sluice.cli.plan" in modules
    installed.run("python", "-c", f"import {', '.join(modules)}")


def test_parquet_without_its_extra_is_a_message_that_names_the_remedy(installed: Installed) -> None:
    program = """
from chalicelib.declared import declared
from sluice.lake import lines_of_parquet
from sluice.errors import OperationError
try:
    lines_of_parquet(b"", declared())
except OperationError as error:
    print(error)
"""
    assert installed.run("python", "-c", program).strip() == (
        "reading a lake of Parquet needs pyarrow, which is not installed here; "
        "install it with: pip install pyarrow"
    )


def test_the_package_is_typed(installed: Installed) -> None:
    for package in ("chalicelib", "sluice"):
        program = f"import {package}; print(*{package}.__path__)"
        assert (Path(installed.run("python", "-c", program).strip()) / "py.typed").is_file()
