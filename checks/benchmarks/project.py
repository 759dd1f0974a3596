"""The times of synthesis and of the tests."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from checks.benchmarks.verdict import Measurement
from local.cdk import ROOT, cdk, tools_path

UNIT = ("tests/chalicelib",)
WHOLE = ("-n", "2", "--dist", "loadfile")
"""As `make test` runs them."""


def measurements(quick: bool = False) -> Iterable[Measurement]:
    """Measure seconds, without targets; `quick` leaves out the whole suite.

    Raises LocalRunError when synthesis fails.
    """
    yield synthesis()
    yield tests("tests of what ships", UNIT)
    if not quick:
        yield tests("all tests", WHOLE)


def synthesis() -> Measurement:
    """Measure `cdk synth` of the whole stack, including the checks of its rules."""
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as name:
        folder = Path(name)
        start = time.perf_counter()
        cdk(
            ["synth", "--quiet", "--output", str(folder / "cdk.out")],
            os.environ,
            folder / "cdk-synth.log",
        )
        return Measurement("cdk synth", time.perf_counter() - start, "s")


def tests(name: str, chosen: Iterable[str]) -> Measurement:
    """Measure a run of pytest, with its last line as the remark."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen]
    environment = {**os.environ, "PATH": tools_path(os.environ), "PYTHONDONTWRITEBYTECODE": "1"}
    start = time.perf_counter()
    ended = subprocess.run(  # noqa: S603
        command, cwd=ROOT, env=environment, capture_output=True, text=True
    )
    seconds = time.perf_counter() - start
    remark = next(reversed(ended.stdout.splitlines()), f"pytest ended with {ended.returncode}")
    return Measurement(name, seconds, "s", remark=remark)
