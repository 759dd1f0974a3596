"""The run: write, kill, replay, verify; in the end two compactions at once beside a backfill."""

import json
import signal
import time
from random import Random

from chalicelib.firehose import DeliveryStream
from chalicelib.partitions import DATA_PREFIX
from checks.crash.compare import differences
from checks.crash.moments import MOMENTS, Moment
from checks.crash.trial import Report, Trial
from checks.crash.workload import DAYS
from local.arrivals import broken_transform
from local.session import Session
from sluice.compaction.size import lake_size
from sluice.lake import objects, read_objects
from sluice.stack import Stack

BEFORE = 0.55
"""The part of the changes that is there before the first compaction."""

QUARANTINED, REPEATED = 0.1, 0.1
"""The parts of a phase's changes that fail at first, and as many lines that come again."""

POLLS = 300
"""The number of writes, beside a compaction, that a phase's changes are enough for."""

SAMPLED_OBJECTS = 200
IN_FLIGHT_SECONDS = 10


class Crash(Trial):
    """A table and a lake at work, whose compaction is killed."""

    def __init__(self, session: Session, stack: Stack, changes: int, report: Report) -> None:
        super().__init__(session, stack, changes, report)
        self._chance = Random(5)  # noqa: S311
        self._lines: list[bytes] = []

    def run(self) -> None:
        """Kill the compaction at each moment, let it end, and compare."""
        began = time.monotonic()
        before = int(self._changes * BEFORE)
        self._write(before)
        self._report(f"{before:,} changes of {DAYS} days are delivered")
        self._verify("before")
        for number, (name, moment) in enumerate(MOMENTS.items(), 1):
            left = self._changes - self._writer.written
            self._kill(name, moment, left // (len(MOMENTS) + 1 - number))
            self._verify(f"after kill {number}")
        self._finish()
        self._verify("after")
        self.problems += differences(self._stack, self._writer)
        writer, seconds = self._writer, time.monotonic() - began
        self._report(
            f"{writer.written:,} changes, {writer.deleted:,} of them deletes, "
            f"{len(writer.items):,} records left; {self._again:,} came again by repetition, replay "
            f"and backfill; {seconds:.0f} s"
        )

    def _kill(self, name: str, moment: Moment, changes: int) -> None:
        """Make so many changes, and kill a compaction beside them when the moment has come."""
        until = self._writer.written + changes
        with broken_transform(self._stack):
            self._write(int(changes * QUARANTINED))
        self._repeat(int(changes * REPEATED))
        before, began = moment(self._stack), time.monotonic()
        replay = self._start("replay", "--json")
        compaction = self._start("compact", "--older-than", "0s")
        while moment(self._stack) == before and compaction.poll() is None:
            self._writer.write(min(max(1, changes // POLLS), until - self._writer.written))
        compaction.kill()
        seconds = time.monotonic() - began
        compaction.communicate()
        if compaction.returncode != -signal.SIGKILL:
            self.problems.append(f"the compaction ended before {name}")
        self._again += json.loads(self._output(replay))["accepted"]
        self._write(until - self._writer.written)
        self._report(f"killed after {seconds:.1f} s, as {name}; {lake_size(self._stack)}")

    def _finish(self) -> None:
        """Compact with two runs at once beside a backfill, then what they left."""
        began = time.monotonic()
        checkpoint = str(self._session.folder / "crash-backfill.json")
        copying = self._start("backfill", "--checkpoint", checkpoint, "--json")
        compactions = [self._start("compact", "--older-than", "0s") for _ in range(2)]
        self._again += json.loads(self._output(copying))["items"]
        for each in compactions:
            self._output(each)
        self._settle()
        while any(objects(self._stack, DATA_PREFIX)):
            self._output(self._start("compact", "--older-than", "0s"))
        seconds = time.monotonic() - began
        self._report(f"compacted in {seconds:.1f} s by two runs at once beside a backfill")
        self._report(str(lake_size(self._stack)))

    def _repeat(self, count: int) -> None:
        """Deliver lines again that were delivered before, and may be compacted."""
        stored = list(objects(self._stack, DATA_PREFIX))
        sample = self._chance.sample(stored, min(len(stored), SAMPLED_OBJECTS))
        for _, lines in read_objects(self._stack, sample, self.problems):
            self._lines += lines
        repeated = self._chance.sample(self._lines, min(count, len(self._lines)))
        stream = DeliveryStream(self._stack.firehose, self._stack.output("StreamName"))
        for _ in stream.put(repeated):
            pass
        self._again += len(repeated)
        self._settle()

    def _verify(self, when: str) -> None:
        began = time.monotonic()
        seconds = ("--in-flight-seconds", str(IN_FLIGHT_SECONDS))
        output = self._output(self._start("verify", *seconds, "--read-capacity", "1000000"))
        took = time.monotonic() - began
        self._report(f"verify {when}, {took:.1f} s: {output.splitlines()[-1]}")
