import re
from pathlib import Path

import msgspec
import pytest
from pytest_httpserver import HTTPServer

from app import app
from chalicelib.openapi import document
from chalicelib.schema import TABLE
from checks.attacks.api import attack, serving

DOCUMENT = msgspec.json.encode(document(TABLE, app.routes))


def test_the_api_does_what_its_description_says(
    emulator: str, table_name: str, tmp_path: Path
) -> None:
    with serving(emulator, table_name, tmp_path / "api.log") as url:
        assert attack(url, tmp_path, seconds=15, seed=1) > 100


@pytest.mark.slow
def test_an_api_that_does_another_thing_is_reported(httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_request("/openapi.json").respond_with_data(
        DOCUMENT, content_type="application/json"
    )
    httpserver.expect_request(re.compile(".*")).respond_with_json({"records": 7})
    with pytest.raises(AssertionError, match="FAILURES"):
        attack(httpserver.url_for("").rstrip("/"), tmp_path, seconds=8, seed=1)
