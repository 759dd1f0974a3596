"""How long a cold start of the transform imports, as a share of importing only chalice.

Both are imported from the unpacked deployment package, without site packages: as a new Lambda
environment does. The package holds each module's compiled form.
"""

import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable

from checks.benchmarks.package import deployment_package
from checks.benchmarks.verdict import Measurement

ROUNDS = 30
TARGET = 1.4

_PROGRAM = """
import sys, time
sys.path.insert(0, {package!r})
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""


def measurements(quick: bool = False) -> Iterable[Measurement]:
    """The median of the ratios of interleaved fresh processes."""
    ratios, ours = [], []
    with tempfile.TemporaryDirectory() as folder:
        with deployment_package("local") as package, zipfile.ZipFile(package) as archive:
            archive.extractall(folder)
        for _ in range(5 if quick else ROUNDS):
            app, chalice = (import_seconds(module, folder) for module in ("app", "chalice"))
            ours.append(app)
            ratios.append(app / chalice)
    yield Measurement(
        "cold start: import of app as a share of chalice's",
        statistics.median(ratios),
        "",
        TARGET,
        remark=f"app {statistics.median(ours) * 1000:.0f} ms",
    )


def import_seconds(module: str, package: str) -> float:
    """Return the seconds a fresh process takes to import a module of the package."""
    program = _PROGRAM.format(module=module, package=package)
    answer = subprocess.run(  # noqa: S603
        [sys.executable, "-ISBc", program], check=True, capture_output=True, text=True
    )
    return float(answer.stdout)
