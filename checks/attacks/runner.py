"""Runs attacks beside each other, each in its own process, and reads what they came to."""

import asyncio
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from checks.attacks.fuzz import FINDING

LOG = "log"
"""In an attack's folder: all that its process printed."""

LOG_LINES_MAX = 20

_INPUTS = re.compile(r"^(?:stat::number_of_executed_units: |#)(\d+)", re.MULTILINE)
_EDGES = re.compile(r"\bcov: (\d+)")
_INPUT = re.compile(r"Test unit written to (.+)")


@dataclass(frozen=True)
class Result:
    """The run of one attack."""

    name: str
    inputs: int
    seconds: float
    edges: int | None = None
    """Edges of the attacked code that were reached, where the driver counts them."""
    finding: str | None = None
    """The broken promise and its least input, or the end of the log if the attack itself failed."""
    replay: str | None = None
    """The command that tries the failing input again."""


async def run(
    attacks: Mapping[str, float],
    jobs: int,
    seed: int,
    folder: Path,
    finished: Callable[[Result], None],
) -> None:
    """Run attacks, by name with the seconds of each, at most `jobs` at a time.

    `finished` is called with each result, also when an interrupt ends the attack early.
    """
    task = asyncio.current_task()
    if task:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    slots = asyncio.Semaphore(jobs)

    async def attack(name: str, seconds: float) -> None:
        async with slots:
            await _attack(name, seconds, seed, folder / name, finished)

    async with asyncio.TaskGroup() as group:
        for name, seconds in attacks.items():
            group.create_task(attack(name, seconds))


async def _attack(
    name: str, seconds: float, seed: int, folder: Path, finished: Callable[[Result], None]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FINDING).unlink(missing_ok=True)
    attack = ("checks.attacks.fuzz", name, str(seconds), str(seed), str(folder))
    command = (sys.executable, "-m", *attack)
    began = time.monotonic()
    with (folder / LOG).open("wb") as log:
        # In a session of its own, so that a terminal's interrupt reaches the parent only.
        process = await asyncio.create_subprocess_exec(
            *command, stdout=log, stderr=log, start_new_session=True
        )
    try:
        await process.wait()
    finally:
        interrupted = process.returncode is None
        if interrupted:
            process.terminate()
            await process.wait()
        failed = not interrupted and process.returncode != 0
        finished(read_result(name, folder, time.monotonic() - began, failed=failed))


def read_result(name: str, folder: Path, seconds: float, *, failed: bool) -> Result:
    """Return what an attack came to, by its log and what else it left in its folder."""
    log = (folder / LOG).read_text(errors="replace")
    inputs = max(map(int, _INPUTS.findall(log)), default=0)
    edges = _EDGES.findall(log)
    result = Result(name, inputs, seconds, int(edges[-1]) if edges else None)
    if not failed:
        return result
    finding, file = folder / FINDING, _INPUT.search(log)
    return replace(
        result,
        finding=finding.read_text()
        if finding.exists()
        else "\n".join(log.splitlines()[-LOG_LINES_MAX:]),
        replay=shlex.join(["python", "-m", "checks.attacks", name, "--input", file[1]])
        if file
        else None,
    )
