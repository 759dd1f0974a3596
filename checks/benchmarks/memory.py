"""The peak memory of a fresh process that answers the largest batch, for each contender."""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from checks.benchmarks.contenders import PEERS, SLUICE, contender, environment
from checks.benchmarks.events import BatchShape, event
from checks.benchmarks.verdict import Measurement

SHAPES = (BatchShape(150, 5_000), BatchShape(20_000, 0))
CALLS = 3


def measurements(quick: bool = False) -> Iterable[Measurement]:
    """Measure our peaks, which must not be higher than either peer's."""
    for shape in SHAPES[: 1 if quick else None]:
        request, _ = event(shape)
        ours = peak(SLUICE, request)
        peers = {name: peak(name, request) for name in PEERS}
        yield Measurement(
            f"peak memory, {shape.name}",
            ours,
            "MiB",
            min(peers.values()),
            remark=", ".join(f"{name} {size:.0f}" for name, size in peers.items()),
        )


def peak(name: str, request: bytes) -> float:
    """Return the peak in MiB of a process that answers this event with this contender."""
    command = [sys.executable, "-m", "checks.benchmarks.memory", name]
    variables = {**os.environ, **environment()}
    answer = subprocess.run(  # noqa: S603
        command, check=True, capture_output=True, input=request, env=variables
    )
    return float(answer.stdout)


def _answer_and_print_peak(name: str) -> None:
    request = sys.stdin.buffer.read()
    run = contender(name)
    with contextlib.redirect_stdout(io.StringIO()):
        for _ in range(CALLS):
            run(request)
    print(peak_mib())


def peak_mib() -> float:
    """Return this process's peak in MiB: not getrusage's, which may be that of its parent."""
    status = Path("/proc/self/status").read_text()
    (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kilobytes) / 1024


if __name__ == "__main__":
    _answer_and_print_peak(sys.argv[1])
