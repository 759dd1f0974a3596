"""A backfill of items that came back without a change in the stream: by a restore, or in a gap.

Its snapshots come after every change that the lake has from before a moment, and before every
change from then on: docs/lake.md says why.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from chalicelib.catalog import ALL_CHANGES, key_columns, quoted
from chalicelib.change import SEQUENCE_DIGITS, SNAPSHOT
from chalicelib.declaration import Table
from chalicelib.keys import Texts, texts_of
from chalicelib.partitions import ERROR_PREFIX, FEED_FAILURES, REPLAYED_PREFIX
from sluice.backfill.source import Page, Source
from sluice.errors import OperationError
from sluice.lake import objects
from sluice.recovery.waiting import waiting
from sluice.stack import Stack
from sluice.verify.compare import Queryable
from sluice.verify.rows import States

_decode_key = msgspec.json.Decoder(dict[str, dict[str, str]]).decode


class Restored:
    """A source whose snapshots outrank what the lake has from before a moment."""

    def __init__(
        self, source: Source, table: Table, moment: datetime, former: Mapping[Texts, str]
    ) -> None:
        """`former` has the greatest sequence from before the moment, by key."""
        self._source = source
        self._table = table
        self._former = former
        self.identity = f"{source.identity} restored at {moment.isoformat()}"
        self.item_count = source.item_count

    def parts(self) -> list[str]:
        """Return the names of the source's parts."""
        return self._source.parts()

    def accepts(self, places: Mapping[str, str | None]) -> bool:
        """Whether parts and the places to go on from can be of the source."""
        return self._source.accepts(places)

    def pages(self, part: str, after: str | None) -> Iterator[Page]:
        """Yield the source's pages."""
        for page in self._source.pages(part, after):
            keys = [texts_of(self._table, _decode_key(item.keys)) for item in page.items]
            items = [
                item._replace(outranks=self._former.get(key, ""))
                for key, item in zip(keys, page.items, strict=True)
            ]
            yield Page(page.moment, items, page.after)


def refuse_too_late(moment: datetime, delivery_seconds: float, now: datetime | None = None) -> None:
    """Raises OperationError while a change from before the moment may still be on its way."""
    age = (now or datetime.now(UTC)) - moment
    if age < timedelta(seconds=delivery_seconds):
        raise OperationError(
            f"changes made before {moment:%Y-%m-%d %H:%M:%S %Z} may still be on their way for "
            f"{delivery_seconds - age.total_seconds():.0f} s; name an earlier moment, or wait"
        )


def refuse_waiting(stack: Stack, delivery_seconds: float, now: datetime | None = None) -> None:
    """Raises OperationError while changes that wait outside the lake may still come into it.

    One from before the moment would come after the snapshot of its key, and hide it.
    """
    if commands := waiting(stack):
        raise OperationError(
            "changes that wait outside the lake would outrank the snapshots if they came later; "
            f"run {', and '.join(commands)}; what is never to come in, move out of {ERROR_PREFIX} "
            f"or {FEED_FAILURES}"
        )
    replayed = max((each.modified for each in objects(stack, REPLAYED_PREFIX)), default=None)
    if replayed is not None:
        age = ((now or datetime.now(UTC)) - replayed).total_seconds()
        if age < delivery_seconds:
            raise OperationError(
                "changes that were just replayed may still be on their way for "
                f"{delivery_seconds - age:.0f} s; wait as long"
            )


def former_sequences(lake: Queryable, table: Table, moment: datetime) -> dict[Texts, str]:
    """Return the greatest sequence of each key from before a moment, without a time of reading.

    Raises OperationError where a later change of the key has a smaller one, or where a line cannot
    be read.
    """
    ms = int(moment.timestamp() * 1000)
    number = f'substr("changesequence", 1, {SEQUENCE_DIGITS})'
    names = ", ".join(map(quoted, key_columns(table)))
    is_later = f'"changedat" >= {ms} AND "changetype" <> \'{SNAPSHOT}\''
    result = lake.run(
        f'SELECT {names}, max(CASE WHEN "changedat" < {ms} THEN {number} END), '  # noqa: S608
        f"min(CASE WHEN {is_later} THEN {number} END) FROM {ALL_CHANGES} GROUP BY {names}"
    )
    if result.problems:
        raise OperationError(f"not every line of the lake can be read: {result.problems[0]}")
    read_key = States(table).row_key_reader(result.columns)
    former: dict[Texts, str] = {}
    unordered = 0
    for row in result.rows:
        *_, before, after = row
        try:
            key = read_key(row)
        except ArithmeticError:
            raise OperationError(
                "not every line of the lake can be read: one has a key that is not a number; "
                "`sluice verify` names its object"
            ) from None
        if key is not None and before is not None:
            # Two spellings of a number are one key.
            former[key] = max(before, former.get(key, ""))
            unordered += after is not None and after <= before
    if unordered:
        raise OperationError(
            f"{unordered} keys have changes from after {moment:%Y-%m-%d %H:%M:%S %Z} with smaller "
            "sequences than their changes from before, so no order is certain: the stream is "
            "another table's; give the restored table a lake of its own"
        )
    return former
