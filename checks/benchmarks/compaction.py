"""The compaction of full days: in the emulator's S3, and of raw objects in a folder.

In the emulator most of the time is its own, for each object. In the folder it is the work of the
compaction, which is compared with the same conversion by hand; and there is room for the days over
which `latest` is asked before and after. The tables are in the emulator either way.

What is measured runs in a process of its own, with its time, processor time and peak memory. The
bytes that a question reads are those that `sluice query` prints.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import msgspec

from chalicelib.catalog import HISTORY, partition_column, partition_levels
from chalicelib.declared import declared
from checks.benchmarks.days import (
    DAY_LINES,
    DAY_OBJECTS,
    FIRST_DAY,
    QUICK,
    FolderS3,
    convert,
    put_day,
    write_day,
    write_large,
)
from checks.benchmarks.memory import peak_mib
from checks.benchmarks.verdict import Measurement
from local.emulator import CREDENTIALS, emulator
from local.processes import free_port
from sluice.cli import sluice
from sluice.compaction.maintenance import Retention, maintain
from sluice.compaction.rows import row_reader
from sluice.compaction.run import CHUNK_LINES, compact, older_objects
from sluice.compaction.size import LakeSize, lake_size
from sluice.compaction.tables import LakeTables
from sluice.lake import read_objects
from sluice.query.emulator import Limits, answer
from sluice.query.saved import saved_query
from sluice.stack import Stack

DAYS = 3
"""Days in the folder. Before they are compacted, a question takes 0.6 GiB and half a minute of
processor time for each; 30 would not fit into the memory of a usual machine."""

MONTH = 30
MEMORY_TARGET_MIB = 512
CONVERSION_TARGET = 2
LATEST_TARGET = 20


class Cost(msgspec.Struct):
    """What a process took."""

    seconds: float
    processor_seconds: float
    peak_mib: float
    scanned_bytes: int = 0
    rows: int = 0
    size: LakeSize | None = None

    def __str__(self) -> str:
        return (
            f"{self.seconds:.1f} s, {self.processor_seconds:.1f} s of processor time, "
            f"{self.peak_mib:.0f} MiB"
        )


def measurements(quick: bool = False) -> Iterable[Measurement]:
    """Measure the compaction of a day, and `latest` over all days before and after."""
    part = QUICK if quick else 1
    with (
        tempfile.TemporaryDirectory() as folder,
        emulator(free_port(), Path(folder)) as running,
    ):
        os.environ.update(CREDENTIALS, AWS_ENDPOINT_URL=running.endpoint_url)
        yield from _on_disk(Path(folder) / "lake", part)
        yield from _of_large_objects(Path(folder) / "large", part)
        yield from _in_emulator(part)


def _on_disk(folder: Path, part: int) -> Iterable[Measurement]:
    _make_stack("disk")
    where = ("disk", str(folder))
    write_day(folder, 0, part)
    by_hand, ours = run("convert-by-hand", *where), run("convert", *where)
    yield Measurement(
        "conversion of a day, of msgspec, zlib and pyarrow by hand",
        ours.processor_seconds / by_hand.processor_seconds,
        "",
        CONVERSION_TARGET,
        remark=f"processor time, {ours.processor_seconds:.1f} of {by_hand.processor_seconds:.1f} s",
    )
    first = run("latest", *where)
    for day in range(1, DAYS):
        write_day(folder, day, part)
    before = run("latest", *where)
    one = run("compact-first-day", *where)
    yield Measurement(
        f"compaction on disk, {DAY_LINES // part:,} lines of {DAY_OBJECTS // part:,} objects",
        one.seconds,
        "s",
        remark=f"{one.processor_seconds:.1f} s of processor time",
    )
    rest = run("compact", *where)
    for days, cost in ((1, one), (DAYS - 1, rest)):
        yield Measurement(
            f"compaction on disk, peak memory at {days} day{'s' * (days > 1)}",
            cost.peak_mib,
            "MiB",
            MEMORY_TARGET_MIB,
        )
    after = run("latest", *where)
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
        LATEST_TARGET,
        at_most=False,
        remark=f"{before}; then {after}",
    )
    more_bytes = (before.scanned_bytes - first.scanned_bytes) / (DAYS - 1)
    more_seconds = (before.processor_seconds - first.processor_seconds) / (DAYS - 1)
    yield Measurement(
        f"latest of {MONTH} days, processor time before / after, as it grows by the day",
        (first.processor_seconds + (MONTH - 1) * more_seconds) / after.processor_seconds,
        "",
        LATEST_TARGET,
        at_most=False,
        remark=f"before, 1 day: {first}; each day {more_bytes:,.0f} bytes, {more_seconds:.1f} s",
    )


def _of_large_objects(folder: Path, part: int) -> Iterable[Measurement]:
    _make_stack("large")
    write_large(folder, 0, part)
    cost = run("compact", "large", str(folder))
    yield Measurement(
        "compaction of two objects of Firehose's largest buffer, peak memory",
        cost.peak_mib,
        "MiB",
        MEMORY_TARGET_MIB,
        remark=f"{cost.seconds:.1f} s",
    )


def _in_emulator(part: int) -> Iterable[Measurement]:
    _make_stack("emulated")
    put_day("emulated", 0, part)
    cost = run("command", "emulated")
    yield Measurement("`sluice compact` in the emulator", cost.seconds, "s", remark=str(cost.size))
    yield Measurement(
        "`sluice compact` in the emulator, processor time",
        cost.processor_seconds,
        "s",
        remark="with what boto3 takes for each object",
    )
    yield Measurement(
        "`sluice compact` in the emulator, peak memory", cost.peak_mib, "MiB", MEMORY_TARGET_MIB
    )


def _make_stack(name: str) -> None:
    """Deploy a stack of a bucket and a database, which is as much as a compaction needs."""
    table = declared()
    outputs = {
        "BucketName": name,
        "DatabaseName": name,
        "SchemaFingerprint": table.fingerprint,
        "Layout": "/".join(table.layout),
    }
    template = {
        "Resources": {
            "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}},
            "Database": {
                "Type": "AWS::Glue::Database",
                "Properties": {
                    "CatalogId": {"Ref": "AWS::AccountId"},
                    "DatabaseInput": {"Name": name},
                },
            },
        },
        "Outputs": {key: {"Value": value} for key, value in outputs.items()},
    }
    client = boto3.client("cloudformation")
    client.create_stack(StackName=name, TemplateBody=msgspec.json.encode(template).decode())
    client.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})


def run(what: str, name: str, folder: str = "") -> Cost:
    """Return what a process took that does this with a lake."""
    command = [sys.executable, "-m", "checks.benchmarks.compaction", what, name, folder]
    done = subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    return msgspec.json.decode(done.stdout, type=Cost)


def _do(what: str, name: str, folder: str) -> Cost:
    stack = Stack.named(name)
    table = stack.table
    if folder:
        stack.__dict__["s3"] = FolderS3(boto3.client("s3"), Path(folder))
    tables = LakeTables(stack, table)
    soon = datetime.now(UTC) + timedelta(hours=1)
    problems: list[str] = []
    began = time.monotonic()
    cost = Cost(0, 0, 0)
    match what:
        case "convert-by-hand":
            with tempfile.TemporaryDirectory() as target:
                cost.rows = convert(Path(folder), Path(target))
        case "convert":
            cost.rows = _convert(tables, problems)
        case "compact" | "compact-first-day":
            day = FIRST_DAY.date() if what == "compact-first-day" else None
            compact(tables, older_objects(stack, soon, day), problems)
            maintain(tables, Retention())
        case "command":
            # Only the measurement is written to standard output.
            with redirect_stdout(sys.stderr):
                sluice(
                    ["--stack-name", name, "compact", "--older-than", "0s"], standalone_mode=False
                )
            cost.size = lake_size(stack)
        case _:
            levels = {partition_column(each): each.name for each in partition_levels(table)}
            latest = saved_query(table, "latest", last_changes=True).sql
            limits = Limits(memory_mb=6_000, seconds=None, rows=None)
            result = answer(stack, table, latest, levels, limits)
            cost.rows, cost.scanned_bytes = len(result.rows), result.scanned_bytes
    if problems:
        raise AssertionError(problems[0])
    cost.seconds = time.monotonic() - began
    cost.processor_seconds = time.process_time()
    cost.peak_mib = peak_mib()
    return cost


def _convert(tables: LakeTables, problems: list[str]) -> int:
    """Convert the objects as the compaction reads them, without its tables."""
    import pyarrow.parquet as parquet

    stack = tables.stack
    read_rows = row_reader(tables.table, tables.columns(HISTORY))
    number = 0
    lines: list[bytes] = []
    with tempfile.TemporaryDirectory() as target:

        def write() -> None:
            file = Path(target) / f"{number}.parquet"
            parquet.write_table(read_rows(lines), file, compression="zstd")
            lines.clear()

        for _, content in read_objects(stack, older_objects(stack, datetime.now(UTC)), problems):
            lines += content
            number += len(content)
            if len(lines) >= CHUNK_LINES:
                write()
        write()
    return number


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(_do(*sys.argv[1:])))
