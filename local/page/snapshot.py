"""What the page knows of the pipeline at one moment: plain values, gathered once for everybody."""

from collections import deque
from collections.abc import Iterable
from itertools import islice

from msgspec import Struct

RATE_SECONDS = 3.0
"""A rate is the mean of this long."""

HISTORY_SAMPLES = 180


class Change(Struct, frozen=True):
    """One change as the table's stream reports it. `at`: epoch seconds."""

    kind: str
    id: str
    site: str
    at: float


class Table(Struct, frozen=True):
    """The changes of the table since its stream began, the latest first."""

    inserts: int = 0
    modifications: int = 0
    removals: int = 0
    latest: tuple[Change, ...] = ()

    @property
    def changes(self) -> int:
        """All changes."""
        return self.inserts + self.modifications + self.removals


class Pipe(Struct, frozen=True):
    """The local pipe since its start, in records."""

    delivered: int = 0
    dead_lettered: int = 0
    in_hand: int = 0


class Buffer(Struct, frozen=True, rename="camel"):
    """One open buffer of Firehose."""

    prefix: str
    records: int
    bytes: int
    due_in_ms: int


class Firehose(Struct, frozen=True, rename="camel"):
    """The local Firehose since its start, as its status page tells it."""

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


class Stored(Struct, frozen=True):
    """One object of the lake. `modified`: epoch seconds. `line`: its last one, where it is text."""

    key: str
    bytes: int
    modified: float
    records: int = 0
    line: str = ""


class Lake(Struct, frozen=True):
    """What lies below `data/`. `partitions`: records by folder; `latest`: newest objects first.

    Objects that are `unread` count, but not their records.
    """

    objects: int = 0
    unread: int = 0
    bytes: int = 0
    partitions: dict[str, int] = {}
    latest: tuple[Stored, ...] = ()

    @property
    def records(self) -> int:
        """Lines of all objects that were read so far."""
        return sum(self.partitions.values())


class Failed(Struct, frozen=True, rename="camel"):
    """One quarantined record, as `sluice failed --json` tells it. `failed_at`: epoch ms."""

    failed_at: int
    error_code: str
    error_message: str
    key: str
    line: int
    obstacle: str | None = None
    raw_data: str | None = None


class Quarantine(Struct, frozen=True, rename="camel"):
    """What `sluice failed --json` tells: all records by error code, and the latest ones."""

    by_error_code: dict[str, int] = {}
    records: tuple[Failed, ...] = ()

    @property
    def total(self) -> int:
        """All quarantined records."""
        return sum(self.by_error_code.values())


class Journey(Struct, frozen=True):
    """A record posted from the page, and when it was seen where; epoch seconds."""

    id: str
    partition: str
    posted: float
    streamed: float | None = None
    landed: float | None = None


class Counts(Struct, frozen=True):
    """How many records came past each station so far."""

    at: float = 0.0
    changed: int = 0
    piped: int = 0
    transformed: int = 0
    delivered: int = 0
    quarantined: int = 0
    dead_lettered: int = 0


STATIONS = tuple(name for name in Counts.__struct_fields__ if name != "at")


class Rates(Struct, frozen=True):
    """Records a second past each station."""

    changed: float = 0.0
    piped: float = 0.0
    transformed: float = 0.0
    delivered: float = 0.0
    quarantined: float = 0.0
    dead_lettered: float = 0.0


class History:
    """The counts of the last minutes, one sample a gathering."""

    def __init__(self) -> None:
        self._samples: deque[Counts] = deque(maxlen=HISTORY_SAMPLES)

    def add(self, counts: Counts) -> None:
        """Take the newest counts."""
        self._samples.append(counts)

    def rates(self) -> Rates:
        """The rates of now."""
        if not self._samples:
            return Rates()
        last = self._samples[-1]
        first = next(each for each in self._samples if each.at >= last.at - RATE_SECONDS)
        return Rates(**_per_second(first, last))

    def series(self) -> dict[str, list[float]]:
        """For a chart: `at` and the rate between one sample and the next, by station."""
        pairs = list(zip(self._samples, islice(self._samples, 1, None), strict=False))
        return {
            "at": [later.at for _, later in pairs],
            **_columns(_per_second(*pair) for pair in pairs),
        }


def _per_second(first: Counts, last: Counts) -> dict[str, float]:
    """What was counted between two samples, a second; a restarted station counts from 0 again."""
    seconds = last.at - first.at
    return {
        name: max(0, getattr(last, name) - getattr(first, name)) / seconds if seconds else 0.0
        for name in STATIONS
    }


def _columns(rows: Iterable[dict[str, float]]) -> dict[str, list[float]]:
    columns: dict[str, list[float]] = {name: [] for name in STATIONS}
    for row in rows:
        for name, value in row.items():
            columns[name].append(round(value, 2))
    return columns


class Snapshot(Struct, frozen=True):
    """The whole pipeline. `problems`: what could not be asked, a sentence each."""

    at: float = 0.0
    table: Table = Table()
    pipe: Pipe = Pipe()
    firehose: Firehose = Firehose()
    lake: Lake = Lake()
    error_objects: int = 0
    quarantine: Quarantine = Quarantine()
    dead_letters: int = 0
    catalog: tuple[str, ...] = ()
    journeys: tuple[Journey, ...] = ()
    rates: Rates = Rates()
    problems: tuple[str, ...] = ()
