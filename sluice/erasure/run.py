"""An erasure: what must hold before it, its steps in order, and the proof after it.

Search, remember the keys, erase what was found, and look again. The keys are remembered before the
first change goes, so that nothing that runs beside brings one back unseen.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

from msgspec import Struct

from chalicelib.catalog import ICEBERG_PREFIX
from chalicelib.change import SEQUENCE_DIGITS, SNAPSHOT
from chalicelib.keys import Texts, key_from, texts_of
from chalicelib.partitions import DATA_PREFIX
from sluice.erasure.changes import KeyChange, Keys
from sluice.erasure.cleaning import Cleaning
from sluice.erasure.memory import Memory, Moment
from sluice.erasure.places import Reader
from sluice.erasure.search import Findings, NewestChange, Search, Tally
from sluice.erasure.statements import wait_for_statements
from sluice.items import Item, item_writer, read_line
from sluice.lake import lines_of
from sluice.stack import Stack
from sluice.verify.rows import States
from sluice.wording import counted

GOT_AT_ONCE = 100
"""Items of one BatchGetItem
(https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html)."""

ROUNDS_MAX = 5
"""Searches after the erasure; more are needed only while others go on writing the keys."""

LAKE = (DATA_PREFIX, ICEBERG_PREFIX)
"""Where the latest state of a key stays, if it is to be kept."""

Progress = Callable[[int], None]


class Erased(Struct, rename="camel"):
    """What an erasure did, in numbers."""

    keys: int
    absent: int
    """Keys of which nothing was there."""
    places: dict[str, Tally] = {}
    """What went, by the prefix of its place."""
    left: int = 0
    """Objects and old versions that still have a change of a key."""

    def add(self, tallies: Mapping[str, Tally]) -> None:
        """Add what went from some places."""
        for place, more in tallies.items():
            tally = self.places.setdefault(place, Tally())
            tally.objects += more.objects
            tally.changes += more.changes
            tally.old_versions += more.old_versions


class Erasure:
    """The erasure of some keys from one stack's bucket."""

    def __init__(
        self,
        stack: Stack,
        keys: Keys,
        memory: Memory,
        findings: Findings,
        part: Mapping[str, str],
        *,
        keep_latest: bool = False,
        remove_lost: bool = False,
    ) -> None:
        """`findings` are new, or those of a run that ended before it was done.

        `part` has the values, as paths spell them, of the levels that data is held to. With
        `keep_latest` the newest change of each key stays. `remove_lost` says that the lake will
        never have the deletion of a key.
        """
        self.findings = findings
        self._stack = stack
        self._keys = keys
        self._memory = memory
        self._reader = Reader(stack, keys, findings.problems)
        self._search = Search(stack, keys, part, self._reader)
        self._keep_latest = keep_latest
        self._remove_lost = remove_lost

    def search(self, progress: Progress, note: Callable[[], None] = lambda: None) -> None:
        """Search on for all changes of the keys; `note` is called when the findings are whole."""
        if not self.findings.done:
            self._search.run(self.findings, _everything, progress, note)

    def refusal(self) -> str | None:
        """Return why the table does not allow it; None if it does."""
        items = items_of(self._stack, self._keys)
        if not self._keep_latest and items:
            return (
                f"the table still has {_of(len(items), self._keys)}; delete the items first, or "
                "keep their latest state with --keep-latest"
            )
        if self._keep_latest and (lacking := len(self._keys) - len(items)):
            return (
                f"the table does not have {_of(lacking, self._keys)}, so there is no latest state "
                "to keep; leave out --keep-latest"
            )
        return None

    def delay(self, delivery_seconds: Callable[[], float | None], progress: Progress) -> str | None:
        """Return why it is too early: the lake lacks the newest change of a key. None if it is not.

        `delivery_seconds` returns how long a change may take into the lake; None where deletions
        never come into it.
        """
        if self._remove_lost or not self._awaited():
            return None
        # It may have come since the search passed its place.
        second = self._search.remaining(self.findings, _everything, progress)
        for number, newest in second.newest.items():
            self.findings.add(number, newest)
        if not (awaited := self._awaited()) or (seconds := delivery_seconds()) is None:
            return None
        what, remedy = (
            ("latest state", "")
            if self._keep_latest
            else ("deletion", ", and --remove-lost erases without it")
        )
        return (
            f"the lake does not have the {what} of {_of(awaited, self._keys)} yet; a change takes "
            f"up to {seconds:.0f} s: run the command again then. If it stays out, `sluice status` "
            f"says what waits outside the lake{remedy}"
        )

    def erase(
        self, progress: Progress, report: Callable[[str], None] = lambda _sentence: None
    ) -> Erased:
        """Erase what was found and what comes meanwhile, and look again. Raises OperationError.

        `report` is called with a sentence on what it waits for.
        """
        moments = self._moments()
        self._memory.remember(self._before_latest(moments) if self._keep_latest else moments)

        def goes(prefix: str, change: KeyChange) -> bool:
            newest = moments[change.key]
            if self._keep_latest and prefix in LAKE:
                # Also a snapshot's, whose time may be after that of the change that came next.
                return change.sequence < newest.sequence
            # The table lacks the key, or its latest state is in the lake.
            return change.kind == SNAPSHOT or newest.covers(change)

        cleaning = Cleaning(self._stack, self._reader)
        let_readers_end = partial(wait_for_statements, self._stack, report)
        erased = Erased(len(self._keys), len(self._keys) - len(self.findings.newest))
        left = self.findings
        for _ in range(ROUNDS_MAX):
            cleaning.run(left.objects, goes, let_readers_end)
            erased.add(left.tallies)
            left = self._search.remaining(self.findings, goes, progress)
            if not left.objects:
                break
        erased.left = left.holding
        return erased

    def verify(self, progress: Progress) -> None:
        """Search for what should be gone: all of a key, or what is not newer than its erasure."""

        def is_left(_prefix: str, change: KeyChange) -> bool:
            moment = self._memory.moment(change.key)
            return moment is None or moment.covers(change)

        self._search.run(self.findings, is_left, progress)

    def _awaited(self) -> int:
        """Return of how many keys the lake does not have the newest change yet."""
        newest = {self._keys.texts[key]: each for key, each in self.findings.newest.items()}
        if self._keep_latest:
            items = items_of(self._stack, self._keys)
            return sum(not self._is_latest(each, items.get(key)) for key, each in newest.items())
        return sum(not self._is_removed(key, each) for key, each in newest.items())

    def _is_removed(self, key: Texts, newest: NewestChange) -> bool:
        """Whether nothing of a key is to come, as far as the lake, or an earlier run, says."""
        if newest.kind in ("REMOVE", ""):
            return True
        erased = self._memory.moment(key)
        return erased is not None and _moment(newest) <= erased

    def _is_latest(self, newest: NewestChange, item: Item | None) -> bool:
        """Whether the newest change in the lake is the table's item."""
        if not newest.kind:
            return True
        if item is None or not newest.object.startswith(LAKE):
            return False
        table = self._stack.table
        states = States(table)
        body = self._reader.content(newest.object, newest.version)
        for line in lines_of(body, table):
            change = self._keys.change(line)
            if change and (change.sequence, change.key) == (newest.sequence, texts_of(table, item)):
                return states.of_item(item_writer(table)(read_line(line))) == states.of_item(item)
        return False

    def _moments(self) -> dict[Texts, Moment]:
        """Return up to which moment each key goes: that of its newest change in the lake."""
        now = Moment(round(time.time() * 1000))
        moments = {}
        for number, key in enumerate(self._keys.texts):
            newest = self.findings.newest.get(number)
            if newest is None or not newest.kind or self._remove_lost:
                moments[key] = now
            elif self._keep_latest:
                moments[key] = _moment(newest)
            else:
                moments[key] = max(_moment(newest), self._memory.moment(key) or _moment(newest))
        return moments

    def _before_latest(self, moments: Mapping[Texts, Moment]) -> dict[Texts, Moment]:
        """Return the moments before the changes that stay."""
        newest = self.findings.newest.items()
        keys = [self._keys.texts[number] for number, each in newest if each.kind]
        return {key: _before(moments[key]) for key in keys}


def items_of(stack: Stack, keys: Keys) -> dict[Texts, Item]:
    """Return the table's items of the keys."""
    name, table = stack.output("TableName"), stack.table
    items: dict[Texts, Item] = {}
    remaining: list[Any] = [key_from(table, key) for key in keys.texts]
    while remaining:
        batch, remaining = remaining[:GOT_AT_ONCE], remaining[GOT_AT_ONCE:]
        answer = stack.dynamodb.batch_get_item(
            RequestItems={name: {"Keys": batch, "ConsistentRead": True}}
        )
        for item in answer["Responses"].get(name, []):
            items[texts_of(table, item)] = cast(Item, item)
        if name in (unprocessed := answer.get("UnprocessedKeys", {})):
            remaining += unprocessed[name]["Keys"]
    return items


def _everything(_prefix: str, _change: KeyChange) -> bool:
    return True


def _moment(change: NewestChange) -> Moment:
    return Moment(change.changed_at, change.sequence)


def _before(moment: Moment) -> Moment:
    """Return the moment right before a change's."""
    number, is_restored, _ = moment.sequence.partition(".")
    if not is_restored:
        number = str(max(0, int(number) - 1)).zfill(SEQUENCE_DIGITS)
    return Moment(moment.changed_at, number)


def _of(count: int, keys: Keys) -> str:
    return f"{count} of the {counted(len(keys), 'key')}" if len(keys) > 1 else "the key"
