"""Programs of others against the local stack: every block of docs/clients.md does what it says."""

import gzip
import json
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from local.cdk import ROOT, TOOLS
from tests.end_to_end.deployment import Deployed

BIN = TOOLS.parent / "clients" / "bin"
"""Where `make clients` installs them."""

SECTIONS = dict(
    re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", (ROOT / "docs/clients.md").read_text(), re.M | re.S)
)

COMPACTED = dict(
    re.findall(
        r"^### (.+?)\n(.*?)(?=^##|\Z)", (ROOT / "docs/compaction.md").read_text(), re.M | re.S
    )
)


def block(text: str, language: str) -> str:
    (code,) = re.findall(rf"```{language}\n(.*?)```", text, re.S)
    return str(code)


@pytest.fixture(scope="module")
def stack(stack_under_test: Deployed) -> Deployed:
    """The stack of this machine, with the lines of one record's life at least."""
    if stack_under_test.local is None:
        pytest.skip("the page's commands are run against the stack of this machine")
    if not BIN.exists():
        pytest.skip("the programs are not installed; `make clients` does it")
    key = str(uuid.uuid4())
    stack_under_test.api.request(
        "POST", "/records", {"id": key, "siteId": "clients", "valueOne": 782}
    )
    stack_under_test.wait_for(1, lambda line: line["id"] == key)
    return stack_under_test


def run(stack: Deployed, code: str, tmp_path: Path) -> list[str]:
    """The lines that a block prints, of the shell or of Python, after the block of the outputs."""
    assert stack.local
    outputs = block((ROOT / "docs/clients.md").read_text().partition("\n## ")[0], "bash")
    script = tmp_path / "block"
    script.write_text(code)
    environment = {**stack.local.environment, "PATH": f"{BIN}:/usr/bin:/bin", "PYTHONPATH": ""}
    command = f'set -euo pipefail\n{outputs}\n"$@"'
    interpreter = "python" if code.startswith("import") else "bash"
    done = subprocess.run(
        ["bash", "-c", command, "-", interpreter, str(script)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def changes(stack: Deployed) -> int:
    return sum(map(len, stack.objects("data/").values()))


def test_the_aws_cli_reaches_every_service(stack: Deployed, tmp_path: Path) -> None:
    *keys, count, status, tables = run(stack, block(SECTIONS["AWS CLI"], "bash"), tmp_path)
    assert {line.split()[-1] for line in keys} == set(stack.objects("data/"))
    assert int(count) > 0
    assert status == "ACTIVE"
    assert set(tables.split()) >= {"changes", "all_changes"}


@pytest.mark.parametrize("client", ["PyAthena", "Polars"])
def test_a_client_of_the_lake_sees_every_change(
    stack: Deployed, tmp_path: Path, client: str
) -> None:
    (count,) = run(stack, block(SECTIONS[client], "python"), tmp_path)
    assert int(count) == changes(stack)


def test_awswrangler_reads_the_catalog_the_objects_and_the_result_of_a_query(
    stack: Deployed, tmp_path: Path
) -> None:
    section = SECTIONS["AWS SDK for pandas (awswrangler)"]
    kind, lines, counted = run(stack, block(section, "python"), tmp_path)
    assert kind == "bigint"
    assert int(lines) == int(counted) == changes(stack)


HAPPENED = 1_002_003_004_000
"""An event time of a day that no other test reads."""

Row = tuple[Any, ...]
"""The event id, the name and the number of a change."""


@pytest.fixture(scope="module")
def compacted(stack: Deployed) -> tuple[int, list[Row]]:
    """How many changes `history` has after a compaction, and what was compacted of one moment."""
    lines = [line for content in stack.objects("data/").values() for line in content]
    lines = [{**each, "createdAtTime": HAPPENED} for each in lines]
    folder = "data/siteId=clients/year=2001/month=10/day=02/hour=06/minute=10/"
    body = gzip.compress(b"".join(json.dumps(each).encode() + b"\n" for each in lines))
    bucket = stack.stack.bucket
    stack.stack.s3.put_object(Bucket=bucket, Key=f"{folder}{uuid.uuid4()}", Body=body)
    assert stack.local
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sluice", "--stack-name", stack.stack.name, "compact"),
            *("--older-than", "0s", "--day", "2001-10-02", "--json"),
        ],
        env=stack.local.environment,
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    rows = {(each["eventId"], each.get("name"), each.get("valueOne")) for each in lines}
    return int(json.loads(done.stdout)["after"]["history"]["rows"]), sorted(rows, key=repr)


ROWS = {
    "pyiceberg": "rows.select(names).to_pylist()",
    "DuckDB": "[dict(zip(names, row)) for row in "
    "connection.execute('SELECT ' + ', '.join(names) + ' FROM history').fetchall()]",
    "Polars": "lines.select(names).collect().to_dicts()",
}
"""What has the rows of `history`, after the block of each program."""


@pytest.mark.parametrize("client", ROWS)
def test_other_engines_read_the_same_rows_of_the_compacted_table(
    stack: Deployed, compacted: tuple[int, list[Row]], tmp_path: Path, client: str
) -> None:
    of_all, expected = compacted
    names = ["eventid", "name", "valueone", "createdattime"]
    printing = f"\nimport json\nnames = {names}\nprint(json.dumps({ROWS[client]}))\n"
    count, text = run(stack, block(COMPACTED[client], "python") + printing, tmp_path)
    rows = [tuple(row.values()) for row in json.loads(text) if row["createdattime"] == HAPPENED]
    assert int(count) == of_all > 0
    assert sorted((row[:-1] for row in rows), key=repr) == expected


def test_the_emulator_still_puts_a_result_where_read_sql_query_finds_none(
    stack: Deployed, tmp_path: Path
) -> None:
    """Once this fails, MiniStack is right, and docs/clients.md has a paragraph too many."""
    code = """import os
import awswrangler
try:
    awswrangler.athena.read_sql_query(
        "SELECT 1 AS one", os.environ["DATABASE"], workgroup=os.environ["WORKGROUP"],
        ctas_approach=False,
    )
except awswrangler.exceptions.NoFilesFound:
    print("no file")
"""
    assert run(stack, code, tmp_path) == ["no file"]
