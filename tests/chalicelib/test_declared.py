"""The declaration in force, and the files it is read from."""

from pathlib import Path

import pytest

from chalicelib import schema
from chalicelib.declared import DEFAULT, VARIABLE, declared, deployed, load, read_anew
from chalicelib.errors import SchemaError

METERS = """
from chalicelib.declaration import Key, Table

TABLE = Table(key=(Key("meter"), Key("readAt", "N")))
"""


@pytest.fixture
def meters(tmp_path: Path) -> Path:
    file = tmp_path / "meters.py"
    file.write_text(METERS)
    return file


def refusal(file: Path, content: str) -> str:
    file.write_text(content)
    with pytest.raises(SchemaError) as refused:
        load(file)
    assert str(refused.value).startswith(f"The declaration {file} cannot be used:\n- ")
    (error,) = refused.value.errors
    return error


@pytest.mark.parametrize("value", [None, ""])
def test_without_the_variable_the_table_that_ships_is_declared(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv(VARIABLE, raising=False)
    else:
        monkeypatch.setenv(VARIABLE, value)
    assert declared() is schema.TABLE


def test_the_variable_names_the_file_of_another(
    monkeypatch: pytest.MonkeyPatch, meters: Path
) -> None:
    monkeypatch.setenv(VARIABLE, str(meters))
    assert declared().key_names == ("meter", "readAt")
    assert declared() is declared()


def test_a_file_is_read_as_it_is_however_soon_it_is_saved_again(
    monkeypatch: pytest.MonkeyPatch, meters: Path
) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    read_anew(meters)
    meters.write_text(METERS.replace('"N"', '"B"'))
    assert [key.type for key in read_anew(meters).key] == ["S", "B"]


def test_the_file_that_ships_is_the_module_that_ships() -> None:
    assert load(DEFAULT) is schema.TABLE


def test_mistakes_in_the_file_that_ships_are_refused_before_a_deployment_and_not_after(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "schema.py"
    file.write_text(METERS.replace('"N"', '"X"'))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("chalicelib.declared.DEFAULT", file)
    with pytest.raises(SchemaError, match=r"the type of the key readAt must be one of"):
        declared()
    assert deployed() is schema.TABLE


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", "it must set TABLE to a Table"),
        ("TABLE = 1", "it must set TABLE to a Table"),
        ("TABLE = (", "line 1: '(' was never closed"),
        ("import sys\nsys.exit(3)", "line 2: SystemExit: 3"),
        ("\n1 / 0", "line 2: ZeroDivisionError: division by zero"),
        (METERS.replace('Key("meter")', "Key()"), "line 4: TypeError: Missing required argument"),
    ],
)
def test_a_file_that_declares_no_table_is_refused_with_the_place(
    tmp_path: Path, content: str, error: str
) -> None:
    assert error in refusal(tmp_path / "wrong.py", content)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("import yaml", "yaml"),
        ("import boto3.session", "boto3.session"),
        ("from . import fields", "."),
        ("from tables.shop import Order", "tables.shop"),
        ("from chalicelib.schema import Record", "chalicelib.schema"),
    ],
)
def test_a_module_that_the_functions_do_not_have_is_refused(
    tmp_path: Path, line: str, name: str
) -> None:
    error = refusal(tmp_path / "wrong.py", f"{line}\n{METERS}")
    assert error.startswith(f"it imports {name}, which the functions do not have; ")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="there is no such Python file"):
        load(tmp_path / "none.py")
