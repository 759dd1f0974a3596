"""The state of the pipeline at one moment: plain values, gathered once for everybody."""

from collections import deque
from itertools import pairwise

from msgspec import Struct, field

from local.stream.status import Status
from sluice.recovery.quarantine import QuarantinedRecord

RATE_SECONDS = 3.0
"""A rate is the mean of this long."""

HISTORY_SAMPLES = 180


class TableChange(Struct, frozen=True):
    """One change as the table's stream reports it. `at`: epoch seconds."""

    type: str
    key: tuple[str, ...]
    group: str
    """The item's value of the level that reports are grouped by."""
    at: float


class TableState(Struct, frozen=True):
    """The number of changes by type since the table's stream began, and the latest ones first."""

    inserts: int = 0
    modifications: int = 0
    removals: int = 0
    latest: tuple[TableChange, ...] = ()

    @property
    def changes(self) -> int:
        """All changes."""
        return self.inserts + self.modifications + self.removals


class Buffer(Struct, frozen=True, rename="camel"):
    """One open buffer of Firehose."""

    prefix: str
    records: int
    bytes: int
    due_in_ms: int


class FirehoseStatus(Struct, frozen=True, rename="camel"):
    """The local Firehose since its start, as its status page reports it."""

    delivered: int = 0
    quarantined: int = 0
    objects: int = 0
    error_objects: int = 0
    buffered: int = 0
    active_partitions: int = 0
    invocations: int = 0
    transformed: int = 0
    buffers: tuple[Buffer, ...] = ()
    buffer_interval_in_seconds: dict[str, float] = {}

    @property
    def interval_ms(self) -> float:
        """How long a buffer stays open here."""
        return self.buffer_interval_in_seconds.get("local", 0) * 1000


class LakeObject(Struct, frozen=True):
    """One object of the lake that was read. `modified`: epoch seconds. `line`: its last one.

    The content of a damaged one cannot be read; it counts as no records.
    """

    key: str
    modified: float
    records: int
    line: str
    damaged: bool = False


class LakeState(Struct, frozen=True):
    """The objects below `data/`. `partitions`: records by folder; `latest`: newest objects first.

    Objects that are `unread` count, but not their records.
    """

    objects: int = 0
    unread: int = 0
    bytes: int = 0
    partitions: dict[str, int] = {}
    latest: tuple[LakeObject, ...] = ()
    damaged: tuple[str, ...] = ()
    compacted: int = 0
    """The changes of the compacted table `history`."""

    @property
    def records(self) -> int:
        """Lines of all objects that were read so far."""
        return sum(self.partitions.values())


class Quarantine(Struct, frozen=True):
    """The quarantined records by error code, the most frequent first, and the latest of all.

    `given_up` counts the changes that the feed gave up, the others are records below `errors/`.
    """

    by_error_code: dict[str, int] = {}
    latest: tuple[QuarantinedRecord, ...] = ()
    given_up: dict[str, int] = {}

    @property
    def records(self) -> int:
        """All records below `errors/`."""
        return sum(self.by_error_code.values())

    @property
    def total(self) -> int:
        """All quarantined records, changes among them."""
        return self.records + sum(self.given_up.values())


class Journey(Struct, frozen=True):
    """A record posted from the page, and when it was seen where; epoch seconds."""

    key: tuple[str, ...]
    partition: str
    posted: float
    streamed: float | None = None
    landed: float | None = None


class StationCounts(Struct, frozen=True):
    """How many records came past each station so far."""

    at: float = 0.0
    changed: int = 0
    fed: int = 0
    transformed: int = 0
    delivered: int = 0
    quarantined: int = 0
    given_up: int = 0
    compacted: int = 0


STATIONS = tuple(name for name in StationCounts.__struct_fields__ if name != "at")


class History:
    """The counts of the last minutes, one sample a gathering."""

    def __init__(self) -> None:
        self._samples: deque[StationCounts] = deque(maxlen=HISTORY_SAMPLES)

    def add(self, counts: StationCounts) -> None:
        """Take the newest counts. Those from before the clock was set back are forgotten."""
        if self._samples and counts.at < self._samples[-1].at:
            self._samples.clear()
        self._samples.append(counts)

    def rates(self) -> dict[str, float]:
        """Return the records a second past each station now."""
        if not self._samples:
            return _per_second(StationCounts(), StationCounts())
        last = self._samples[-1]
        first = next(each for each in self._samples if each.at >= last.at - RATE_SECONDS)
        return _per_second(first, last)

    def series(self) -> dict[str, list[float]]:
        """Return, for a chart, `at` and each station's rate between one sample and the next."""
        rates = [_per_second(*pair) for pair in pairwise(self._samples)]
        return {
            "at": [later.at for _, later in pairwise(self._samples)],
            **{name: [round(rate[name], 2) for rate in rates] for name in STATIONS},
        }


def _per_second(first: StationCounts, last: StationCounts) -> dict[str, float]:
    """Return the counts between two samples, a second; a restarted station counts from 0 again."""
    seconds = last.at - first.at
    return {
        name: max(0, getattr(last, name) - getattr(first, name)) / seconds if seconds else 0.0
        for name in STATIONS
    }


class Snapshot(Struct, frozen=True):
    """The whole pipeline. `problems`: a sentence for each part that did not answer.

    `feed_kind` is `pipe` or `function`; `given_up` counts its batches that wait to be redriven.
    """

    at: float = 0.0
    table: TableState = TableState()
    feed_kind: str = "pipe"
    feed: Status = field(default_factory=lambda: Status(name="", stream_arn="", started_at=0))
    firehose: FirehoseStatus = FirehoseStatus()
    lake: LakeState = LakeState()
    error_objects: int = 0
    quarantine: Quarantine = Quarantine()
    given_up: int = 0
    catalog: tuple[str, ...] = ()
    journeys: tuple[Journey, ...] = ()
    rates: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STATIONS, 0.0))
    problems: tuple[str, ...] = ()
