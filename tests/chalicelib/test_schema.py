"""Changing the record is one edit in one file: proved on a copy of the project's own source."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

PROBE = """
import json
from msgspec import UNSET
from chalicelib.attributes import item
from chalicelib.change import change_reader
from chalicelib.lines import line_encoder
from chalicelib.openapi import schemas
from chalicelib.errors import Invalid
from chalicelib.schema import TABLE
from chalicelib.validation import Validator
from docs.record import fields_section

record = Validator(TABLE).record(b'{"siteId": "2", "colour": "red"}')
try:
    Validator(TABLE).record(b'{"siteId": "2", "colour": 7}')
except Invalid as invalid:
    errors = [error.pointer for error in invalid.errors]
attributes = item(record)
line = change_reader(TABLE)(json.dumps({
    "eventID": "e", "eventName": "INSERT", "userIdentity": "",
    "dynamodb": {"SequenceNumber": "1", "ApproximateCreationDateTime": 1, "NewImage": attributes},
}).encode())
print(json.dumps({
    "item": attributes["colour"],
    "errors": errors,
    "decoded": line.colour,
    "extra": line.extra is not UNSET,
    "line": json.loads(line_encoder(TABLE)(line))["colour"],
    "openapi": schemas(TABLE)["Record"]["properties"]["colour"],
    "docs": fields_section(TABLE),
}))
"""


def test_a_field_added_to_the_schema_arrives_everywhere(tmp_path: Path) -> None:
    for folder in ("chalicelib", "docs", "infrastructure", "local", "sluice"):
        shutil.copytree(
            ROOT / folder,
            tmp_path / folder,
            ignore=shutil.ignore_patterns("__pycache__", "node_modules", "cdk.out"),
        )
    schema = tmp_path / "chalicelib" / "schema.py"
    field = '    colour: Annotated[str, Meta(description="Its colour.")] | UnsetType = UNSET\n'
    text = schema.read_text()
    marker = "    valueOne:"
    assert text.count(marker) == 1
    schema.write_text(text.replace(marker, field + marker))

    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(
        [sys.executable, "-c", PROBE],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    seen = json.loads(run.stdout)
    assert seen["item"] == {"S": "red"}
    assert seen["errors"] == ["#/colour"]
    assert seen["decoded"] == "red"
    assert seen["extra"] is False
    assert seen["line"] == "red"
    assert seen["openapi"] == {"type": "string", "description": "Its colour."}
    assert "| `colour` | text | no | Its colour. |" in seen["docs"]
