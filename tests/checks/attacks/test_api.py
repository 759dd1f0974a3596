import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from pytest_httpserver import HTTPServer

from app import app
from chalicelib.declaration import Key
from chalicelib.declared import load
from chalicelib.openapi import document
from chalicelib.schema import TABLE
from checks.attacks.api import attack, serving

SHOP = Path(__file__).parents[3] / "tables" / "shop.py"

DOCUMENT = msgspec.json.encode(document(TABLE, app.routes))


def test_the_api_does_what_its_description_says(
    emulator: str, table_name: str, tmp_path: Path
) -> None:
    with serving(emulator, table_name, tmp_path / "api.log") as url:
        assert attack(url, tmp_path, seconds=15, seed=1) > 100


@pytest.mark.slow
def test_the_api_of_kinds_and_a_key_of_two_parts_does_what_its_description_says(
    aws_environment: pytest.MonkeyPatch,
    emulator: str,
    make_table: Callable[[tuple[Key, ...]], str],
    tmp_path: Path,
) -> None:
    aws_environment.setenv("SLUICE_SCHEMA", str(SHOP))
    table_name = make_table(load(SHOP).key)
    with serving(emulator, table_name, tmp_path / "api.log") as url:
        assert attack(url, tmp_path, seconds=15, seed=1) > 40


@pytest.mark.slow
def test_an_api_that_does_another_thing_is_reported(httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_request("/openapi.json").respond_with_data(
        DOCUMENT, content_type="application/json"
    )
    httpserver.expect_request(re.compile(".*")).respond_with_json({"records": 7})
    with pytest.raises(AssertionError, match="FAILURES"):
        attack(httpserver.url_for("").rstrip("/"), tmp_path, seconds=8, seed=1)
