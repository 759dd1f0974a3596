"""Days of a lake in the emulator's S3, compacted; and the latest state, asked before and after.

The compaction and each question run in a process of their own, whose time, processor time and peak
memory are measured. The emulator's time for each object, most of the whole, is in the first alone.
"""

import gzip
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import msgspec

from chalicelib.catalog import partition_column, partition_levels
from chalicelib.declared import declared
from chalicelib.partitions import DATA_PREFIX
from checks.benchmarks.verdict import Measurement
from local.emulator import CREDENTIALS, emulator
from local.processes import free_port
from sluice.compaction.maintenance import Retention, maintain
from sluice.compaction.run import compact, older_objects
from sluice.compaction.size import LakeSize, lake_size
from sluice.compaction.tables import LakeTables
from sluice.query.emulator import Limits, answer
from sluice.query.saved import saved_query
from sluice.stack import Stack

DAY_OBJECTS, DAY_LINES = 44_100, 864_000
"""Of a table with ten changes a second, in one-minute partitions of 20 sites."""

QUICK = 20
"""The part of a day that a quick measurement takes."""

DAYS = 3
KEYS, SITES = 10_000, 20
MEMORY_TARGET_MIB = 512

LATEST_TARGET = 20
_FIRST = datetime(2026, 1, 1, tzinfo=UTC)
_BUCKET, _DATABASE = "compaction", "compaction"


class Cost(msgspec.Struct):
    """What a process took."""

    seconds: float
    processor_seconds: float
    peak_mib: float
    scanned_bytes: int = 0
    rows: int = 0
    size: LakeSize | None = None


def measurements(quick: bool = False) -> Iterable[Measurement]:
    """Measure the compaction of the first day, and `latest` over all days before and after."""
    part = QUICK if quick else 1
    with (
        tempfile.TemporaryDirectory() as folder,
        emulator(free_port(), Path(folder)) as running,
    ):
        os.environ.update(CREDENTIALS, AWS_ENDPOINT_URL=running.endpoint_url)
        boto3.client("s3").create_bucket(Bucket=_BUCKET)
        boto3.client("glue").create_database(DatabaseInput={"Name": _DATABASE})
        name = f"{DAY_LINES // part:,} lines of {DAY_OBJECTS // part:,} objects"
        for day in range(DAYS):
            write_day(_BUCKET, day, part)
        before = run("latest")
        cost = run("compact-first-day")
        yield Measurement(f"compaction, {name}", cost.seconds, "s", remark=str(cost.size))
        yield Measurement(
            "compaction, processor",
            cost.processor_seconds,
            "s",
            remark="with what boto3 takes for each object",
        )
        yield Measurement("compaction, peak memory", cost.peak_mib, "MiB", MEMORY_TARGET_MIB)
        run("compact")
        after = run("latest")
        if before.rows != after.rows:
            raise AssertionError(f"{before.rows} records before, {after.rows} after")
        yield Measurement(
            f"latest of {DAYS} days, bytes before / after",
            before.scanned_bytes / after.scanned_bytes,
            "",
            LATEST_TARGET,
            at_most=False,
            remark=f"{before.scanned_bytes:,} and {after.scanned_bytes:,} bytes",
        )
        yield Measurement(
            f"latest of {DAYS} days, time before / after",
            before.seconds / after.seconds,
            "",
            remark=f"{before.seconds:.1f} and {after.seconds:.1f} s",
        )


def write_day(bucket: str, day: int, part: int) -> None:
    """Write the objects of a day."""
    s3 = boto3.client("s3")
    chance = random.Random(day)  # noqa: S311
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(
            lambda each: s3.put_object(Bucket=bucket, Key=each[0], Body=each[1]),
            day_objects(day, DAY_OBJECTS // part, DAY_LINES // part, chance),
        ):
            pass


def day_objects(
    day: int, objects: int, lines: int, chance: random.Random
) -> Iterator[tuple[str, bytes]]:
    """Yield the keys and the bodies of a day's objects."""
    written = 0
    for number in range(objects):
        site = number % SITES
        moment = _FIRST + timedelta(days=day, seconds=86_400 * number / objects)
        epoch = int(moment.timestamp() * 1000)
        body = b""
        for _ in range(lines * (number + 1) // objects - written):
            written += 1
            key = chance.randrange(KEYS // SITES) * SITES + site
            body += msgspec.json.encode(
                {
                    "id": f"record-{key}",
                    "siteId": f"site-{site}",
                    "createdAtTime": epoch,
                    "name": f"valve {key}",
                    "valueOne": chance.randrange(10_000),
                    "valueTwo": chance.randrange(10_000_000),
                    "changeType": "MODIFY",
                    "changeSequence": f"{day * lines + written:040d}",
                    "changedAt": epoch,
                    "eventId": f"{chance.getrandbits(128):032x}",
                }
            )
            body += b"\n"
        folder = moment.strftime("year=%Y/month=%m/day=%d/hour=%H/minute=%M/")
        yield f"{DATA_PREFIX}siteId=site-{site}/{folder}{number}.gz", gzip.compress(body, 6)


def run(what: str) -> Cost:
    """Return what a process took that does this with the lake."""
    command = [sys.executable, "-m", "checks.benchmarks.compaction", what]
    done = subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    return msgspec.json.decode(done.stdout, type=Cost)


def _do(what: str) -> Cost:
    table = declared()
    stack = Stack(
        "Sluice-bench",
        {
            "BucketName": _BUCKET,
            "DatabaseName": _DATABASE,
            "SchemaFingerprint": table.fingerprint,
            "Layout": "/".join(table.layout),
        },
    )
    tables = LakeTables(stack, table)
    began = time.monotonic()
    cost = Cost(0, 0, 0)
    if what.startswith("compact"):
        problems: list[str] = []
        day = _FIRST.date() if what == "compact-first-day" else None
        soon = datetime.now(UTC) + timedelta(hours=1)
        compact(tables, older_objects(stack, soon, day), problems)
        maintain(tables, Retention())
        cost.size = lake_size(stack)
        if problems:
            raise AssertionError(problems[0])
    else:
        levels = {partition_column(each): each.name for each in partition_levels(table)}
        latest = saved_query(table, "latest", last_changes=True).sql
        limits = Limits(memory_mb=6_000, seconds=None, rows=None)
        result = answer(stack, table, latest, levels, limits)
        cost.rows, cost.scanned_bytes = len(result.rows), result.scanned_bytes
    cost.seconds = time.monotonic() - began
    cost.processor_seconds = time.process_time()
    # Not getrusage: its peak may be that of the process which started this one.
    status = Path("/proc/self/status").read_text()
    (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    cost.peak_mib = int(kilobytes) / 1024
    return cost


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(_do(sys.argv[1])))
