"""A feed under a workload: the batches that the pipe or the function gathers of the table's stream,
the records that it makes of them for Firehose, and how much it can bring.

The pipe puts each change as a record, the function packs as many into one as it may hold.
"""

import math
from dataclasses import dataclass

from chalicelib.limits import (
    AGGREGATED_RECORDS_MAX,
    INVOCATION_BYTES_MAX,
    PUT_BYTES_MAX,
    PUT_RECORD_BYTES_MAX,
    PUT_RECORDS_MAX,
)
from sluice.planning.limits import POLL_RECORDS, POLLS_OF_A_SHARD
from sluice.planning.settings import Feed, PlanSettings
from sluice.planning.weights import Weights

BILLED_BYTES = 5 * 1024
"""Firehose bills a record as a multiple of this."""

PUT_SECONDS = 0.05
"""Seconds that a feed waits for the answer to a put. An assumption."""

FEED_MEGABYTES = 512
"""Memory of the deployed function, by which its seconds are billed."""

START_SECONDS = 0.01
CHANGE_SECONDS = 0.00007
"""Seconds of an invocation beside its puts, and of each change in it: a laptop's figures for the
runtime's own decoding, 9 µs of 500 bytes, the packing and the put, times four, as 512 MB buy 0.3 of
a processor. An assumption."""

GIVES_UP: dict[Feed, tuple[str, ...]] = {
    "pipe": (
        "it keeps no payload of a change that it gives up on: its dead letter points into the "
        "table's stream, which forgets it after 24 hours",
    ),
    "function": (
        "it is code of yours to run, where AWS runs the pipe",
        "no bill has shown yet that Firehose counts packed changes as one record, as it documents",
    ),
}
"""What one has with the other feed, and not with this one. Each is one of the two readers that a
stream allows, and takes changes of up to 1,000 KiB."""


@dataclass(frozen=True, slots=True)
class FeedForecast:
    """The figures of a feed, a second unless they say otherwise."""

    at_once: int
    """Batches that it may have under way."""
    capacity: float
    """Changes that it can bring."""
    batches: float
    batch_changes: float
    gather_seconds: float
    """How long a batch of the average is gathered."""
    batch_seconds: float
    """How long it is under way."""
    puts: float
    records: float
    """Records of Firehose."""
    billed_bytes: float
    """Bytes of these, as Firehose bills them."""

    @property
    def concurrency(self) -> float:
        """Batches that are under way at once, on average."""
        return self.batches * self.batch_seconds


def forecast_feed(
    rate: float, settings: PlanSettings, weights: Weights, shards: int
) -> FeedForecast:
    """Return the figures of the feed of the settings; all shards have an equal part of the rate."""
    packs = settings.feed == "function"
    size = weights.record
    at_once = shards * settings.parallelization
    if packs:
        most = max(1.0, min(settings.feed_batch_size, INVOCATION_BYTES_MAX // size))
        window = settings.feed_window_seconds
        in_a_record = max(1.0, min(AGGREGATED_RECORDS_MAX, PUT_RECORD_BYTES_MAX // size))
    else:
        most, window, in_a_record = settings.batch_size, settings.batching_seconds, 1.0
    # A batch is gathered from its first change on.
    changes = min(most, 1 + rate / at_once * window)

    def puts(count: float) -> int:
        return math.ceil(max(count / in_a_record / PUT_RECORDS_MAX, count * size / PUT_BYTES_MAX))

    def seconds(count: float) -> float:
        own = START_SECONDS + count * CHANGE_SECONDS if packs else 0
        return own + puts(count) * PUT_SECONDS

    batches = rate / changes
    records = math.ceil(changes / in_a_record) if packs else changes
    units = changes * size / records / BILLED_BYTES
    # Sizes of packed records are spread evenly over the last unit; those of single changes are not.
    units = max(1.0, units + 0.5) if packs else math.ceil(units)
    return FeedForecast(
        at_once=at_once,
        capacity=min(
            shards * POLLS_OF_A_SHARD.value * POLL_RECORDS.value, at_once * most / seconds(most)
        ),
        batches=batches,
        batch_changes=changes,
        gather_seconds=(changes - 1) / (rate / at_once),
        batch_seconds=seconds(changes),
        puts=batches * puts(changes),
        records=batches * records,
        billed_bytes=batches * records * units * BILLED_BYTES,
    )
