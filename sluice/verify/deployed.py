"""The facts about a deployed stack that `verify` needs, and the remedies it can name."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import msgspec

from chalicelib.attributes import from_text
from sluice.backfill.scan import TableScan
from sluice.backfill.source import SourceItem, snapshot
from sluice.feed import deployed_feed
from sluice.items import Item
from sluice.recovery.waiting import waiting
from sluice.stack import Stack
from sluice.transform import deployed_settings, reason_reader
from sluice.verify.compare import Drift
from sluice.wording import counted

MARGIN_SECONDS = 60
"""The time a change takes beside these: the feed's work, and the transform's own buffer."""


def has_deletes(stack: Stack) -> bool:
    """Return whether deletions of records come into the lake."""
    return "REMOVE" in deployed_settings(stack)["change_types"]


def delivery_seconds(stack: Stack) -> float:
    """Return how long a change may take into the lake: the feed's window, 1.5 times Firehose's
    buffer, and a margin
    (https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning-s3bucketprefix.html)."""
    stream = stack.delivery_stream()
    hints = stream["Destinations"][0]["ExtendedS3DestinationDescription"]["BufferingHints"]
    window = deployed_feed(stack).window_seconds
    return window + hints["IntervalInSeconds"] * 1.5 + MARGIN_SECONDS


def items(scan: TableScan, progress: Callable[[int], None]) -> Iterator[Item]:
    """Yield the table's items, read while they are iterated."""
    for part in scan.parts():
        for page in scan.pages(part, None):
            progress(len(page.items))
            yield from (from_text(each.image) for each in page.items)


def item_reason(stack: Stack) -> Callable[[Item], str | None]:
    """Return a function that returns why the transform cannot read an item; None if it can."""
    reason = reason_reader(deployed_settings(stack))

    def of(item: Item) -> str | None:
        return reason(snapshot(SourceItem(b"{}", msgspec.json.encode(item)), 0))

    return of


def remedies(stack: Stack, drifts: Sequence[Drift]) -> list[str]:
    """Return what brings the lake to the table's state, in order: commands, mostly."""
    if not drifts:
        return []
    commands = waiting(stack)
    for reason, count in Counter(drift.reason for drift in drifts if drift.reason).most_common():
        commands.append(
            "correct the item; or correct the declaration, deploy, and "
            f"replay or backfill: {reason}, in {counted(count, 'record')}"
        )
    readable = [drift for drift in drifts if drift.reason is None]
    if any(not drift.versions for drift in readable):
        commands.append("sluice backfill: the lake has no version of some records")
    if any(drift.versions and drift.kind != "surplus" for drift in readable):
        commands.append(
            "sluice backfill --restored-at MOMENT: the lake has only other versions of some "
            "records, as after a restore of the table or a gap in its stream; docs/queries.md, "
            "When verify finds drift, says which moment"
        )
    if any(drift.kind == "surplus" for drift in readable):
        commands.append(
            "sluice query history --key ID: the lake has records that the table does not have; how "
            "to remove them is in docs/queries.md, When verify finds drift"
        )
    return commands
