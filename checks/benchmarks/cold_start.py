"""How long cold starts import: the transform beside chalice alone, and the feed beside boto3.

All are imported from the unpacked deployment package, as a new Lambda environment does, without
site packages; boto3 and what it needs, which Lambda's runtime has, are found behind it. The
package holds each module's compiled form.
"""

import statistics
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterable
from importlib.metadata import files
from pathlib import Path

from checks.benchmarks.package import deployment_package
from checks.benchmarks.verdict import Measurement

ROUNDS = 30
TARGET = 1.4
FEED_TARGET = 1.0
FEED = "app, chalicelib.feed"
RUNTIME = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")
"""The packages of Lambda's runtime."""

_PROGRAM = """
import sys, time
sys.path.insert(0, {package!r})
sys.path.append({runtime!r})
start = time.perf_counter()
import {modules}
print(time.perf_counter() - start)
"""


def measurements(quick: bool = False) -> Iterable[Measurement]:
    """The medians of the ratios of interleaved fresh processes."""
    ratios, ours, shares, above = [], [], [], []
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as runtime:
        _link(RUNTIME, Path(runtime))
        with deployment_package("local") as package, zipfile.ZipFile(package) as archive:
            archive.extractall(folder)
        for _ in range(5 if quick else ROUNDS):
            app, chalice, feed, aws = (
                import_seconds(modules, folder, runtime)
                for modules in ("app", "chalice", FEED, "boto3")
            )
            ours.append(app)
            ratios.append(app / chalice)
            above.append(feed - app)
            shares.append((feed - app) / aws)
    yield Measurement(
        "cold start: import of app as a share of chalice's",
        statistics.median(ratios),
        "",
        TARGET,
        remark=f"app {statistics.median(ours) * 1000:.0f} ms",
    )
    yield Measurement(
        "cold start: import of the feed above app's, as a share of boto3's",
        statistics.median(shares),
        "",
        FEED_TARGET,
        remark=f"{statistics.median(above) * 1000:.0f} ms above app's",
    )


def _link(packages: Iterable[str], folder: Path) -> None:
    """Make the modules of installed packages importable from a folder, and no others."""
    for package in packages:
        for name in {file.parts[0] for file in files(package) or ()} - {".."}:
            (folder / name).symlink_to(Path(sysconfig.get_path("purelib"), name))


def import_seconds(modules: str, package: str, runtime: str) -> float:
    """Return the seconds a fresh process takes to import modules of the package."""
    program = _PROGRAM.format(modules=modules, package=package, runtime=runtime)
    answer = subprocess.run(  # noqa: S603
        [sys.executable, "-ISBc", program], check=True, capture_output=True, text=True
    )
    return float(answer.stdout)
