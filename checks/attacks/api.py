"""The API as `chalice local` serves it, asked by schemathesis for what its description says.

Promise: no request is a server's error; what the description allows is accepted and all else
refused; each answer has a status, headers, type and body that the description names; what was
written can be read, and what was deleted cannot.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from chalicelib.declared import declared
from local.emulator import client_environment, emulator
from local.processes import LOOPBACK, LocalRunError, captured, free_port, listening
from local.session import READY_SECONDS, chalice_local, emulator_session

ROOT = Path(__file__).parents[2]
SETTINGS = Path(__file__).with_name("schemathesis.toml")
TABLE = "records"


def run(seconds: float, seed: int) -> int:
    """Attack an API of its own for about this long, and return the number of requests."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        with emulator(free_port(), folder / "emulator") as running:
            make_table(running.endpoint_url)
            with serving(running.endpoint_url, TABLE, folder / "api.log") as url:
                return attack(url, folder, seconds, seed)


def make_table(endpoint_url: str) -> None:
    """Make an empty table of the declaration in the emulator."""
    dynamodb: Any = emulator_session().client("dynamodb", endpoint_url=endpoint_url)
    key = declared().key
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[
            {"AttributeName": part.name, "KeyType": role}
            for part, role in zip(key, ("HASH", "RANGE"), strict=False)
        ],
        AttributeDefinitions=[
            {"AttributeName": part.name, "AttributeType": part.type} for part in key
        ],
        BillingMode="PAY_PER_REQUEST",
    )


@contextmanager
def serving(endpoint_url: str, table: str, log: Path) -> Iterator[str]:
    """Serve the API over a table in the emulator; yields its URL."""
    port = free_port()
    process = chalice_local(port, log, client_environment(endpoint_url, TABLE_NAME=table))
    try:
        process.wait_until(lambda: listening(port), READY_SECONDS)
        yield f"http://{LOOPBACK}:{port}"
    finally:
        process.stop()


def attack(url: str, folder: Path, seconds: float, seed: int) -> int:
    """Ask the API at a URL for about this long and return how many requests were made up.

    Raises AssertionError when the promise is broken, LocalRunError when schemathesis itself fails.
    """
    file = folder / "report.json"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(SETTINGS)),
        *("run", f"{url}/openapi.json", "--seed", str(seed), "--max-time", str(round(seconds))),
        # Python's HTTP server answers slowly on a connection that is kept.
        *("--header", "Connection: close", "--continue-on-failure", "--no-color"),
        *("--report", "json", "--report-json-path", str(file)),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    status, output, errors = captured(command, environment, folder)
    try:
        report = msgspec.json.decode(file.read_bytes())
    except (OSError, msgspec.DecodeError):
        raise LocalRunError(f"schemathesis ended with {status}:\n{output}{errors}") from None
    if status or report["failures"] or report["errors"]:
        raise AssertionError(f"seed {seed}:\n{output}")
    generated: int = report["test_cases"]["generated"]
    return generated
