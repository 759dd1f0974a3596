"""Runs targets beside each other, each in its own process, and reads what they came to."""

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

import msgspec

from checks.attacks.child import RESULT
from checks.attacks.result import Crash, Result

LOG = "log"
"""In a target's folder: all that its process said."""

_INPUTS = re.compile(r"^(?:stat::number_of_executed_units: |#)(\d+)", re.MULTILINE)
_EDGES = re.compile(r"\bcov: (\d+)")
_CRASH = re.compile(r"Test unit written to (.+)")
_EXCEPTION = re.compile(r"=== Uncaught Python exception: ===\n(.+)")
_OTHER = re.compile(r"ERROR: libFuzzer: (.+)")


class Runner:
    """Attacks targets for a time each. What they leave behind lies below a folder."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopping = False

    @property
    def interrupted(self) -> bool:
        """Whether the run ended before its time."""
        return self._stopping

    def run(
        self, names: Sequence[str], jobs: int, finished: Callable[[Result], None]
    ) -> list[Result]:
        """Attack so many targets at a time; when interrupted, the results so far.

        `finished` is told of each result as it comes.
        """
        results: dict[str, Result] = {}

        def collect(futures: Sequence[Future[Result]]) -> None:
            for future in as_completed(futures):
                result = future.result()
                if result.target not in results:
                    results[result.target] = result
                    finished(result)

        with ThreadPoolExecutor(jobs) as pool:
            futures = [pool.submit(self._attack, name) for name in names]
            try:
                collect(futures)
            except KeyboardInterrupt:
                self._stop()
                pool.shutdown(cancel_futures=True)
                collect([future for future in futures if not future.cancelled()])
        return [results[name] for name in names if name in results]

    def _stop(self) -> None:
        self._stopping = True
        for process in list(self._running):
            process.terminate()

    def _attack(self, name: str) -> Result:
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RESULT).unlink(missing_ok=True)
        started = time.monotonic()
        with (folder / LOG).open("wb") as log:
            # In a session of its own, so that a terminal's interrupt comes through `_stop` alone.
            process = subprocess.Popen(  # noqa: S603
                [
                    sys.executable,
                    "-m",
                    "checks.attacks.child",
                    name,
                    str(self._seconds),
                    str(folder),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running.add(process)
            if self._stopping:
                process.terminate()
            code = process.wait()
            self._running.discard(process)
        seconds = time.monotonic() - started
        text = (folder / LOG).read_text(errors="replace")
        if code == 0 and (folder / RESULT).exists():
            return msgspec.json.decode((folder / RESULT).read_bytes(), type=Result)
        return read_log(name, text, seconds, failed=code != 0 and not self._stopping)


def read_log(name: str, text: str, seconds: float, *, failed: bool) -> Result:
    """What a fuzzed target came to, by what libFuzzer said. `failed`: its process did."""
    inputs = _INPUTS.findall(text)
    edges = _EDGES.findall(text)
    crashes: tuple[Crash, ...] = ()
    if path := _CRASH.search(text):
        reason = _EXCEPTION.search(text) or _OTHER.search(text)
        crashes = (
            Crash(
                reason=reason[1] if reason else "it ended",
                input=path[1],
                replay=shlex.join(["python", "-m", "checks.attacks", name, "--input", path[1]]),
            ),
        )
    elif failed:
        said = text.strip().splitlines() or ["it said nothing"]
        crashes = (Crash(reason=f"the attack itself failed: {said[-1]}"),)
    return Result(
        target=name,
        inputs=max(map(int, inputs), default=0),
        seconds=round(seconds, 1),
        edges=int(edges[-1]) if edges else None,
        crashes=crashes,
    )
