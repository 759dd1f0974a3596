"""The local pipeline with each feed: from changes in the table to their lines in S3.

The changes are written while the feed is held, which is a measurement of its own. The time runs
from the feed's release until S3 has taken the last object, and holds the last buffers' interval.
Every line is then read back and counted. The peer is the emulator's own Firehose, with the same
table, transform and bucket; the emulator's Pipes does not deliver to it, so the local pipe does.
"""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from urllib.parse import urlsplit

import psutil

from chalicelib.declared import declared
from chalicelib.partitions import DATA_PREFIX
from checks.benchmarks.verdict import Measurement
from local.arrivals import Arrivals
from local.processes import LocalRunError, Process
from local.session import Options, Session, deployed_stack, emulator_session, running
from local.stream.status import read_status
from sluice.items import read_line
from sluice.lake import keys, lines
from sluice.seed import TableWriter, records

SMALL, USUAL, LARGE = 1_000, 10_000, 100_000
ROUNDS = 3
BUFFER_SECONDS = 0.5
"""As short as the processor's own interval: what a change waits for is then mostly work."""

RATE_TARGET = 1_500
FLAT_TARGET = 1.2
"""How much more a change of many may cost than one of few."""

SITES, MINUTES = 20, 2

STALL_SECONDS = 60.0
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Puts:
    """The records that were put into Firehose, and the bytes that AWS bills for them."""

    records: int = 0
    billed_bytes: int = 0

    def since(self, before: "Puts") -> "Puts":
        """Return what was put since then."""
        return Puts(self.records - before.records, self.billed_bytes - before.billed_bytes)


@dataclass(frozen=True, slots=True)
class Run:
    """The time and the result of one delivery."""

    count: int
    write_seconds: float
    seconds: float
    processor_seconds: float
    """Of emulator, functions, Firehose and feed together."""
    puts: "Puts"
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
    """A Firehose behind the same table, feed, transform and bucket."""

    def __init__(
        self,
        session: Session,
        settled: Callable[[], int],
        puts: Callable[[], Puts] = Puts,
    ) -> None:
        """`settled` counts the changes that are done with, `puts` the records put so far."""
        self._session = session
        self._settled = settled
        self._puts = puts
        self._stack = deployed_stack(session.endpoint_url)
        client = partial(emulator_session().client, endpoint_url=session.endpoint_url)
        vars(self._stack)["s3"] = client("s3")
        table_name = self._stack.output("TableName")
        self._writer = TableWriter(declared(), client("dynamodb"), table_name)

    def run(self, count: int) -> Run:
        """Deliver so many changes. Raises LocalRunError when they stop coming."""
        before = {key for key, _ in keys(self._stack, DATA_PREFIX)}
        feed = self._session.start_feed()
        try:
            done, puts = self._settled(), self._puts()
            with held(feed):
                start = time.perf_counter()
                self._write(count)
                write_seconds = time.perf_counter() - start
                processor = processor_seconds()
            start = time.perf_counter()
            self._wait(done, count)
            seconds = time.perf_counter() - start
            processor = processor_seconds() - processor
        finally:
            feed.stop()
        new = [key for key, _ in keys(self._stack, DATA_PREFIX) if key not in before]
        events = [read_line(line)["eventId"] for key in new for line in lines(self._stack, key)]
        return Run(
            count,
            write_seconds,
            seconds,
            processor,
            self._puts().since(puts),
            objects=len(new),
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
    status = Arrivals(session, deployed_stack(session.endpoint_url)).status

    def settled() -> int:
        counts = status()
        return sum(counts[outcome] for outcome in ("delivered", "dropped", "quarantined"))

    def puts() -> Puts:
        counts = status()
        return Puts(counts["put"], counts["billedBytes"])

    return Contender(session, settled, puts)


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
    """Rate, cost and losses of both feeds, and of the emulator's own Firehose behind the pipe.

    `quick`: no large run, and a smaller peer's. Raises LocalRunError.
    """
    compared = SMALL if quick else USUAL
    with stack("pipe") as up:
        local, peer = ours(up), emulators(up)
        local.run(SMALL)
        rounds = [(local.run(SMALL), local.run(USUAL), peer.run(compared)) for _ in range(ROUNDS)]
        small, piped, own = zip(*rounds, strict=True)
        sizes = [small, piped] if quick else [small, piped, (local.run(LARGE),)]
    with stack("function") as up:
        local = ours(up)
        local.run(SMALL)
        fed = [local.run(USUAL) for _ in range(ROUNDS)]
        fed_sizes = [fed] if quick else [fed, [local.run(LARGE)]]
    yield from of_feed("pipe", piped, RATE_TARGET)
    yield from of_feed("function", fed)
    yield Measurement(
        "  the pipe's, by that",
        median(run.cost for run in piped) / median(run.cost for run in fed),
        "times",
        remark="processor time a change",
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
            for mine, theirs in zip(small if quick else piped, own, strict=True)
        ),
        "times",
    )
    yield from costs("pipe", sizes)
    yield from costs("function", fed_sizes)
    every = [run for runs in (*sizes, *fed_sizes) for run in runs]
    yield Measurement(
        "lost",
        sum(run.lost for run in every),
        f"of {sum(run.count for run in every):,}",
        0,
        remark=f"{sum(run.lines - run.distinct for run in every)} lines delivered twice",
    )


@contextmanager
def stack(feed: str) -> Iterator[Session]:
    """A stack with a feed that is not started yet. Both feeds wait as long for a batch to fill."""
    options = Options(
        buffer_seconds=BUFFER_SECONDS, settings=(f"feed={feed}", "feed_window_seconds=1")
    )
    with (
        tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder,
        running(options, Path(folder), lambda _step: None) as up,
    ):
        up.processes.pop(up.feed_part).stop()
        yield up


def of_feed(feed: str, runs: Sequence[Run], target: float | None = None) -> Iterator[Measurement]:
    """Measure what a feed does with a usual number of changes, and what AWS would bill for it."""
    yield Measurement(
        f"table to S3 by the {feed}, {USUAL:,} changes",
        median(run.rate for run in runs),
        "changes/s",
        target,
        at_most=False,
        remark=f"{runs[0].objects} objects, buffers of {BUFFER_SECONDS:g} s",
    )
    yield Measurement(
        "  written to the table before",
        median(run.count / run.write_seconds for run in runs),
        "changes/s",
    )
    yield Measurement("  processor time a change", median(run.cost for run in runs), "µs")
    thousands = sum(run.count for run in runs) / 1_000
    yield Measurement(
        "  Firehose records a 1,000 changes",
        sum(run.puts.records for run in runs) / thousands,
        "records",
    )
    yield Measurement(
        "  billed by Firehose a 1,000 changes",
        sum(run.puts.billed_bytes for run in runs) / thousands / 1024,
        "KB",
    )


def costs(feed: str, sizes: Iterable[Sequence[Run]]) -> Iterator[Measurement]:
    """Measure the cost of a change at growing numbers of them, as a share of the one before."""
    before: float | None = None
    for runs in sizes:
        cost = median(run.cost for run in runs)
        yield Measurement(
            f"processor time a change of {runs[0].count:,}, {feed}",
            cost,
            "µs",
            remark=f"{median(run.rate for run in runs):,.0f} changes/s",
        )
        if before is not None:
            yield Measurement(
                "  by the cost of ten times fewer", cost / before, "times", FLAT_TARGET
            )
        before = cost
