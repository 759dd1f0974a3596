"""The package that both functions run from."""

import platform
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
HOST = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
MACHINE = {"arm64": "aarch64", "x86_64": "x86_64"}


@pytest.mark.parametrize("function", ["APIHandler", "Transform"])
def test_functions_run_on_arm_on_aws_and_on_this_machine_locally(
    dev: Any, local: Any, function: str
):
    assert dev[function]["Architectures"] == ["arm64"]
    assert local[function]["Architectures"] == [HOST]


@pytest.mark.parametrize("function", ["APIHandler", "Transform"])
def test_functions_run_on_the_python_that_packaged_them(dev: Any, function: str):
    assert dev[function]["Runtime"] == f"python3.{sys.version_info.minor}"


def test_the_package_holds_what_runs_and_nothing_else(dev: Any):
    names = {name for name in dev.package().namelist() if not name.endswith("/")}
    ours = {str(path.relative_to(PROJECT)) for path in (PROJECT / "chalicelib").rglob("*.py")} | {
        "app.py",
        "chalice/__init__.py",
        "chalice/app.py",
    }
    assert ours <= names
    assert {name.split("/")[0].split("-")[0] for name in names - ours} == {"msgspec"}
    assert not [name for name in names if name.endswith(".pyc")]


@pytest.mark.parametrize(("kind", "architecture"), [("dev", "arm64"), ("local", HOST)])
def test_compiled_modules_are_built_for_the_function_they_run_in(
    deployments: Any, kind: str, architecture: str
):
    compiled = [name for name in deployments[kind].package().namelist() if name.endswith(".so")]
    abi = f"cpython-3{sys.version_info.minor}-{MACHINE[architecture]}-linux-gnu"
    assert compiled
    assert all(abi in name for name in compiled)


def test_the_package_is_small_enough_to_start_quickly(dev: Any):
    entries = dev.package().infolist()
    assert sum(entry.compress_size for entry in entries) < 1_000_000
    assert sum(entry.file_size for entry in entries) < 2_000_000
