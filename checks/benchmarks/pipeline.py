"""The local pipeline: from changes in the table to their lines in S3.

The changes are written while the pipe is held, which is a measurement of its own. The time runs
from the pipe's release until S3 has taken the last object, and holds the last buffers' interval.
Every line is then read back and counted. The peer is the emulator's own Firehose, with the same
table, transform and bucket; the emulator's Pipes does not deliver to it, so the local pipe does.
"""

import gzip
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from random import Random
from statistics import median
from urllib.parse import urlsplit

import psutil
import urllib3

from chalicelib.declared import declared
from chalicelib.partitions import DATA_PREFIX
from checks.benchmarks.verdict import Measurement
from local.processes import LocalRunError, Process
from local.session import Options, Session, emulator_session, running
from local.stream.status import read_status
from sluice.items import read_line
from sluice.seed import TableWriter, records

SMALL, USUAL, LARGE = 1_000, 10_000, 100_000
ROUNDS = 3
BUFFER_SECONDS = 0.5
"""As short as the processor's own interval: what a change waits for is then mostly work."""

RATE_TARGET = 1_500
FLAT_TARGET = 1.2
"""How much more a change of many may cost than one of few."""

SITES, MINUTES = 20, 2
GZIP_MAGIC = b"\x1f\x8b"

STALL_SECONDS = 60.0
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Run:
    """The time and the result of one delivery."""

    count: int
    write_seconds: float
    seconds: float
    processor_seconds: float
    """Of emulator, function, Firehose and pipe together."""
    objects: int
    lines: int
    distinct: int

    @property
    def rate(self) -> float:
        """Changes a second."""
        return self.count / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of processor time a change."""
        return self.processor_seconds / self.count * 1e6

    @property
    def lost(self) -> int:
        """Changes without a line."""
        return self.count - self.distinct


class Contender:
    """A Firehose behind the same table, pipe, transform and bucket."""

    def __init__(self, session: Session, settled: Callable[[], int]) -> None:
        """`settled` counts the changes that are done with, from any number on."""
        self._session = session
        self._settled = settled
        resource, url = emulator_session().resource, session.endpoint_url
        outputs = session.outputs()
        client = emulator_session().client("dynamodb", endpoint_url=url)
        self._writer = TableWriter(declared(), client, outputs["TableName"])
        self._bucket = resource("s3", endpoint_url=url).Bucket(outputs["BucketName"])

    def run(self, count: int) -> Run:
        """Deliver so many changes. Raises LocalRunError when they stop coming."""
        before = set(self._keys())
        pipe = self._session.start_feed()
        try:
            done = self._settled()
            with held(pipe):
                start = time.perf_counter()
                self._write(count)
                write_seconds = time.perf_counter() - start
                processor = processor_seconds()
            start = time.perf_counter()
            self._wait(done, count)
            seconds = time.perf_counter() - start
            processor = processor_seconds() - processor
        finally:
            pipe.stop()
        keys = [key for key in self._keys() if key not in before]
        events = list(chain.from_iterable(map(self._events, keys)))
        return Run(
            count,
            write_seconds,
            seconds,
            processor,
            objects=len(keys),
            lines=len(events),
            distinct=len(set(events)),
        )

    def _write(self, count: int) -> None:
        self._writer.put(records(declared(), count, Random(), SITES, MINUTES))  # noqa: S311

    def _wait(self, done: int, count: int) -> None:
        settled, moved = 0, time.monotonic()
        while settled < count:
            time.sleep(POLL_SECONDS)
            now = self._settled() - done
            if now > settled:
                settled, moved = now, time.monotonic()
            self._session.require_running()
            if time.monotonic() - moved > STALL_SECONDS:
                raise LocalRunError(
                    f"{settled} of {count} changes were delivered, and none in the last "
                    f"{STALL_SECONDS:.0f} s; the logs are in {self._session.folder}"
                )

    def _keys(self) -> Iterator[str]:
        return (each.key for each in self._bucket.objects.filter(Prefix=DATA_PREFIX))

    def _events(self, key: str) -> list[str]:
        """Return the change in every line of an object."""
        body = self._bucket.Object(key).get()["Body"].read()
        # The emulator's Firehose compresses nothing, whatever the stream says.
        text = gzip.decompress(body) if body.startswith(GZIP_MAGIC) else body
        return [read_line(line)["eventId"] for line in text.splitlines()]


@contextmanager
def held(process: Process) -> Iterator[None]:
    """Nothing of the process runs meanwhile."""
    running_process = psutil.Process(process.pid)
    running_process.suspend()
    try:
        yield
    finally:
        running_process.resume()


def processor_seconds() -> float:
    """Processor time that the processes started here have used so far."""
    times = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return float(sum(each.user + each.system for each in times))


def ours(session: Session) -> Contender:
    """The local Firehose; it counts a change when S3 has taken its object."""

    def settled() -> int:
        streams = urllib3.request("GET", f"{session.firehose_url}/status").json()["streams"]
        return sum(
            stream[outcome]
            for stream in streams.values()
            for outcome in ("delivered", "dropped", "quarantined")
        )

    return Contender(session, settled)


def emulators(session: Session) -> Contender:
    """The emulator's own Firehose; it writes a record's object before it answers the put.

    So the pipe's count is S3's too. The pipe reports it every half second.
    """
    port = urlsplit(session.endpoint_url).port
    assert port is not None  # noqa: S101
    own = replace(session, firehose_port=port, processes={})

    def settled() -> int:
        status = read_status(own.folder / "pipe")
        return status.read - status.in_hand if status else 0

    return Contender(own, settled)


def measurements(quick: bool = False) -> Iterable[Measurement]:
    """Rate, cost and losses, ours and the emulator's; `quick`: no large run, and a smaller peer's.

    Raises LocalRunError.
    """
    compared = SMALL if quick else USUAL
    with (
        tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder,
        running(Options(buffer_seconds=BUFFER_SECONDS), Path(folder), lambda _step: None) as up,
    ):
        up.processes.pop("pipe").stop()
        local, peer = ours(up), emulators(up)
        local.run(SMALL)
        rounds = [(local.run(SMALL), local.run(USUAL), peer.run(compared)) for _ in range(ROUNDS)]
        small, usual, own = zip(*rounds, strict=True)
        sizes = [small, usual] if quick else [small, usual, (local.run(LARGE),)]
    yield Measurement(
        f"table to S3, {USUAL:,} changes",
        median(run.rate for run in usual),
        "changes/s",
        RATE_TARGET,
        at_most=False,
        remark=f"{usual[0].objects} objects, buffers of {BUFFER_SECONDS:g} s",
    )
    yield Measurement(
        "  written to the table before",
        median(run.count / run.write_seconds for run in usual),
        "changes/s",
    )
    yield Measurement(
        f"MiniStack's own Firehose, {compared:,} changes",
        median(run.rate for run in own),
        "changes/s",
        remark=f"{own[0].objects:,} objects, {sum(run.lost for run in own)} changes lost",
    )
    yield Measurement(
        "  ours, by that",
        median(
            mine.rate / theirs.rate
            for mine, theirs in zip(small if quick else usual, own, strict=True)
        ),
        "times",
    )
    yield from costs(sizes)
    every = [run for runs in sizes for run in runs]
    yield Measurement(
        "lost",
        sum(run.lost for run in every),
        f"of {sum(run.count for run in every):,}",
        0,
        remark=f"{sum(run.lines - run.distinct for run in every)} lines delivered twice",
    )


def costs(sizes: Iterable[Sequence[Run]]) -> Iterator[Measurement]:
    """Measure the cost of a change at growing numbers of them, as a share of the one before."""
    before: float | None = None
    for runs in sizes:
        cost = median(run.cost for run in runs)
        yield Measurement(
            f"processor time a change of {runs[0].count:,}",
            cost,
            "µs",
            remark=f"{median(run.rate for run in runs):,.0f} changes/s",
        )
        if before is not None:
            yield Measurement(
                "  by the cost of ten times fewer", cost / before, "times", FLAT_TARGET
            )
        before = cost
