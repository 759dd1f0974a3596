"""The size of the deployment package, which a function loads before it starts."""

import os
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from aws_cdk import App, Stack
from aws_cdk import aws_iam as iam

from checks.benchmarks.verdict import Measurement
from infrastructure.packaging import packaged
from infrastructure.values import Target

ZIPPED_BYTES_MAX = 1_000_000


@contextmanager
def deployment_package(target: Target) -> Iterator[Path]:
    """Build the zip that both functions run from, and delete it afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        # Chalice demands a region and does not use it.
        os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
        app = App(outdir=folder)
        stack = Stack(app, "Package")
        role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        with redirect_stdout(sys.stderr):  # where Chalice prints its progress
            packaged(stack, target=target, role=role)
        app.synth()
        (package,) = Path(folder).glob("*.zip")
        yield package


def measurements(quick: bool = False) -> Iterable[Measurement]:
    """Measure the package for AWS: our code, chalice's runtime, and msgspec's wheel."""
    del quick
    with deployment_package("aws") as package:
        with zipfile.ZipFile(package) as archive:
            entries = archive.infolist()
        unpacked = sum(entry.file_size for entry in entries)
        yield Measurement(
            "package: size of the zip",
            package.stat().st_size / 1e6,
            "MB",
            ZIPPED_BYTES_MAX / 1e6,
            remark=f"{len(entries)} files, {unpacked / 1e6:.2f} MB unpacked; for arm64",
        )
