"""The erasure of one key from a day of a lake, with its partition named and without.

The lake is taken to be older than clocks may differ, as lakes are: the second search lists all
objects and reads those that had the key.
"""

import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import boto3

from chalicelib.declared import declared
from checks.benchmarks.days import DAY_LINES, DAY_OBJECTS, QUICK, put_day
from checks.benchmarks.verdict import Measurement
from local.emulator import CREDENTIALS, emulator
from local.processes import free_port
from sluice.erasure.changes import Keys
from sluice.erasure.memory import Memory
from sluice.erasure.run import Erasure
from sluice.erasure.search import SKEW_SECONDS, Findings
from sluice.stack import Stack

_BUCKET = "erasure"


def measurements(quick: bool = False) -> Iterable[Measurement]:
    """Measure the erasure of two keys, the first from its site's objects alone."""
    part = QUICK if quick else 1
    with (
        tempfile.TemporaryDirectory() as folder,
        emulator(free_port(), Path(folder)) as running,
    ):
        os.environ.update(CREDENTIALS, AWS_ENDPOINT_URL=running.endpoint_url)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=_BUCKET)
        s3.put_bucket_versioning(Bucket=_BUCKET, VersioningConfiguration={"Status": "Enabled"})
        put_day(_BUCKET, 0, part)
        name = f"of {DAY_LINES // part:,} lines in {DAY_OBJECTS // part:,} objects"
        yield _erase("record-20", {"siteId": "site-0"}, f"erasure {name}, partition named")
        yield _erase("record-41", {}, f"erasure {name}, everywhere")


def _erase(key: str, named: dict[str, str], name: str) -> Measurement:
    table = declared()
    outputs = {
        "BucketName": _BUCKET,
        "SchemaFingerprint": table.fingerprint,
        "Layout": "/".join(table.layout),
        "WorkgroupName": "primary",
    }
    stack = Stack("Sluice-bench", outputs)
    objects = 0

    def count(number: int) -> None:
        nonlocal objects
        objects += number

    began = time.monotonic()
    findings = Findings.new()
    keys = Keys(table, [(key,)])
    erasure = Erasure(stack, keys, Memory(stack), findings, named, remove_lost=True)
    erasure.search(count)
    searched, seconds = objects, time.monotonic() - began
    findings.began += SKEW_SECONDS
    erased = erasure.erase(count)
    if erased.left or not erased.places["data/"].changes:
        raise AssertionError(f"{erased}")
    return Measurement(
        name,
        time.monotonic() - began,
        "s",
        remark=f"{seconds:.1f} s to search {searched:,} objects; {erased.places['data/'].changes} "
        f"changes in {erased.places['data/'].objects} objects",
    )
