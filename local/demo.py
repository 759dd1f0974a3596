"""The demonstration: records go in through the API, and come out as files in S3, counted."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console

from local.cdk import ROOT
from local.processes import LocalRunError
from local.session import Session

DELIVERY_SECONDS = 90.0
POLL_SECONDS = 0.5
LAYOUT_NOTE = "The README's two samples lie under siteId=1 and siteId=2, in November 2023."


def sluice(session: Session, *arguments: str, capture: bool = True) -> str:
    """Run a `sluice` command against the session. Raises LocalRunError when it fails."""
    run = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "operations", *arguments],
        cwd=ROOT,
        env=session.environment,
        stdout=subprocess.PIPE if capture else None,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        raise LocalRunError(f"`sluice {' '.join(arguments)}` failed; see above")
    return run.stdout or ""


def demonstrate(session: Session, console: Console, report: Callable[[str], None]) -> bool:
    """Seed, wait for delivery, show the lake. True when as many changes came out as went in."""
    console.print(f"  Firehose's buffering, here and as deployed:\n{session.buffering()}")
    report("seeding records through the API")
    amounts = ("--count", "300", "--changes", "60", "--deletes", "30")
    spread = ("--sites", "5", "--minutes", "3", "--samples")
    seeded = json.loads(sluice(session, "seed", *amounts, *spread, "--json"))

    report("waiting for delivery")
    started = time.monotonic()
    lake = delivered(session, seeded["total"])
    seconds = time.monotonic() - started
    records = sum(each["records"] for each in lake["partitions"])

    report("")
    sluice(session, "tree", capture=False)
    console.print(LAYOUT_NOTE, style="dim")
    console.print("\nOne line of the lake:")
    sluice(session, "sample", capture=False)
    console.print(
        f"\n{seeded['total']} changes went in: {seeded['inserts']} inserts, "
        f"{seeded['changes']} changes, {seeded['deletes']} deletes. "
        f"{records} came out, {seconds:.1f} s after the last one went in.",
        style="bold green" if records == seeded["total"] else "bold red",
    )
    return bool(records == seeded["total"] and lake["errorObjects"] == 0)


def delivered(session: Session, expected: int) -> dict[str, Any]:
    """The lake, once it holds the expected number of records or time has run out."""
    deadline = time.monotonic() + DELIVERY_SECONDS
    while True:
        lake: dict[str, Any] = json.loads(sluice(session, "tree", "--json"))
        records = sum(each["records"] for each in lake["partitions"])
        if records >= expected or time.monotonic() > deadline:
            return lake
        for process in session.processes.values():
            if not process.running():
                raise LocalRunError(f"{process.name} ended:\n{process.last_words()}")
        time.sleep(POLL_SECONDS)
