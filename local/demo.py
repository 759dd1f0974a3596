"""The demonstration: records go in through the API, and come out as files in S3, counted."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console

from local.cdk import ROOT
from local.processes import LocalRunError, captured
from local.session import Session

DELIVERY_SECONDS = 90.0
POLL_SECONDS = 0.5


def sluice(session: Session, *arguments: str) -> str:
    """Run a `sluice` command; return what it prints. Raises LocalRunError when it fails."""
    command = [sys.executable, "-m", "sluice", *arguments]
    status, output, errors = captured(command, session.environment, ROOT)
    if status != 0:
        session.require_emulator()
        raise LocalRunError(f"`sluice {' '.join(arguments)}` failed: {errors.strip()}")
    return output


def demonstrate(session: Session, console: Console, report: Callable[[str], None]) -> bool:
    """Seed, wait for delivery, print the lake. True when as many changes came out as went in."""
    console.print(f"  Firehose's buffering, here and as deployed:\n{session.buffering()}")
    report("seeding records through the API")
    amounts = ("--count", "300", "--changes", "60", "--deletes", "30")
    spread = ("--sites", "5", "--minutes", "3", "--samples")
    seeded = json.loads(sluice(session, "seed", *amounts, *spread, "--json"))

    report("waiting for delivery")
    started = time.monotonic()
    lake = delivered(session, seeded["total"])
    seconds = time.monotonic() - started
    report("")
    console.print(sluice(session, "tree"), end="")
    console.print("\nOne line of the lake:")
    console.print(sluice(session, "sample"))
    sentence, complete = verdict(seeded, lake)
    console.print(f"{sentence}, {seconds:.1f} s after the last one went in.")
    return complete


def verdict(seeded: dict[str, Any], lake: dict[str, Any]) -> tuple[str, bool]:
    """Return the changes in and out as a sentence, and whether they are the same."""
    records = sum(each["records"] for each in lake["partitions"])
    words = (
        f"{seeded['total']} changes went in: {seeded['inserts']} inserts, "
        f"{seeded['changes']} changes, {seeded['deletes']} deletes. {records} came out"
    )
    if lake["errorObjects"]:
        words += f", and {lake['errorObjects']} error objects"
    return words, records == seeded["total"] and not lake["errorObjects"]


def delivered(session: Session, expected: int) -> dict[str, Any]:
    """Return the lake once it holds the expected number of records, or time has run out."""
    deadline = time.monotonic() + DELIVERY_SECONDS
    while True:
        lake: dict[str, Any] = json.loads(sluice(session, "tree", "--json"))
        records = sum(each["records"] for each in lake["partitions"])
        if records >= expected or time.monotonic() > deadline:
            return lake
        session.require_running()
        time.sleep(POLL_SECONDS)
