"""The package that both functions run from."""

import importlib.util
import platform
import sys
from pathlib import Path, PurePath
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
HOST = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
MACHINE = {"arm64": "aarch64", "x86_64": "x86_64"}


@pytest.mark.parametrize("function", ["APIHandler", "Transform"])
def test_functions_run_on_arm_on_aws_and_on_this_machine_locally(
    dev: Any, local: Any, function: str
) -> None:
    assert dev[function]["Architectures"] == ["arm64"]
    assert local[function]["Architectures"] == [HOST]


@pytest.mark.parametrize("function", ["APIHandler", "Transform"])
def test_functions_run_on_the_python_that_packaged_them(dev: Any, function: str) -> None:
    assert dev[function]["Runtime"] == f"python3.{sys.version_info.minor}"


def test_the_package_holds_what_runs_and_nothing_else(dev: Any) -> None:
    names = {name for name in dev.package().namelist() if not name.endswith("/")}
    ours = {str(path.relative_to(PROJECT)) for path in (PROJECT / "chalicelib").rglob("*.py")} | {
        "app.py",
        "chalice/__init__.py",
        "chalice/app.py",
    }
    assert ours <= names
    compiled = {name for name in names if name.endswith(".pyc")}
    assert {name.split("/")[0].split("-")[0] for name in names - ours - compiled} == {"msgspec"}


def test_all_modules_are_packed_compiled_for_the_functions_python(dev: Any) -> None:
    names = set(dev.package().namelist())
    modules = [PurePath(name) for name in names if name.endswith(".py")]
    assert {name for name in names if name.endswith(".pyc")} == {
        str(module.parent / "__pycache__" / f"{module.stem}.{sys.implementation.cache_tag}.pyc")
        for module in modules
    }


@pytest.mark.parametrize("module", ["app", "chalice/app", "chalicelib/change", "msgspec/json"])
def test_compiled_code_is_of_its_source_and_the_same_wherever_it_is_built(
    dev: Any, local: Any, module: str
) -> None:
    source = PurePath(f"{module}.py")
    name = source.parent / "__pycache__" / f"{source.stem}.{sys.implementation.cache_tag}.pyc"
    compiled = dev.package().read(str(name))
    assert compiled == local.package().read(str(name))
    assert compiled[8:16] == importlib.util.source_hash(dev.package().read(str(source)))
    assert f"/var/task/{source}".encode() in compiled


def test_the_declaration_is_packed_as_the_one_that_the_functions_import(
    dev: Any, patients: Any
) -> None:
    shipped, other = (
        {
            entry.filename: deployment.package().read(entry)
            for entry in deployment.package().infolist()
        }
        for deployment in (dev, patients)
    )
    schema = "chalicelib/schema.py"
    compiled = f"chalicelib/__pycache__/schema.{sys.implementation.cache_tag}.pyc"
    assert shipped[schema] == (PROJECT / schema).read_bytes()
    assert other[schema] == (PROJECT / patients.context["schema"]).read_bytes()
    assert other[compiled][8:16] == importlib.util.source_hash(other[schema])
    assert {name for name in shipped | other if shipped.get(name) != other.get(name)} == {
        schema,
        compiled,
    }


def test_deployments_of_the_same_declaration_have_the_same_package(dev: Any, prod: Any) -> None:
    dev_zip, prod_zip = dev.package().filename, prod.package().filename
    assert Path(dev_zip).read_bytes() == Path(prod_zip).read_bytes()


@pytest.mark.parametrize(("kind", "architecture"), [("dev", "arm64"), ("local", HOST)])
def test_compiled_modules_are_built_for_the_function_they_run_in(
    deployments: Any, kind: str, architecture: str
) -> None:
    compiled = [name for name in deployments[kind].package().namelist() if name.endswith(".so")]
    abi = f"cpython-3{sys.version_info.minor}-{MACHINE[architecture]}-linux-gnu"
    assert compiled
    assert all(abi in name for name in compiled)


def test_the_package_is_small_enough_to_start_quickly(dev: Any) -> None:
    entries = dev.package().infolist()
    assert sum(entry.compress_size for entry in entries) < 1_000_000
    assert sum(entry.file_size for entry in entries) < 2_000_000
