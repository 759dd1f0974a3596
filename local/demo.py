"""The demonstration: changes go into a table, and the lake is held against them."""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from local.answers import CHECKS, LakeContents
from local.arrivals import Arrivals, broken_transform
from local.cdk import ROOT
from local.changes import made_up, of_items
from local.firehose.errors import KEYS_NOT_EXTRACTED
from local.processes import LocalRunError, captured
from local.session import STACK_NAME, Session
from sluice.backfill.deployed import table_scan
from sluice.backfill.stop import Stop
from sluice.errors import OperationError
from sluice.items import Item
from sluice.lake import error_keys
from sluice.query.athena import Workgroup
from sluice.query.emulator import Limits
from sluice.query.part import LakePart
from sluice.query.question import Question
from sluice.query.saved import saved_queries
from sluice.recovery.quarantine import Selection
from sluice.recovery.replay import replay
from sluice.seed import Seeded
from sluice.stack import Stack
from sluice.transform import deployed_settings
from sluice.verify.deployed import items
from sluice.verify.rows import States
from sluice.wording import counted

READ_CAPACITY = 1_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What went in, and whether what came out of it is right."""

    went_in: Seeded
    expected: int
    """The lines that the changes must be: not the deletes, where the deployment drops them."""
    came_out: int
    seconds: float
    """Between the last change and its line."""
    replayed: int
    quarantined: int
    """Error objects that are left."""
    backfilled: int
    answers: Mapping[str, bool]
    """Whether each saved query answers as the lines and the table do."""
    verified: bool

    @property
    def is_complete(self) -> bool:
        """Whether all of it is right."""
        return (
            self.came_out == self.expected
            and self.replayed == 1
            and not self.quarantined
            and all(self.answers.values())
            and self.verified
        )

    def sentences(self) -> list[str]:
        """Return what went in and what came out, in words."""
        went_in = self.went_in
        wrong = [name for name, is_right in self.answers.items() if not is_right]
        delivery = (
            f"{counted(went_in.total, 'change')} went in: {counted(went_in.inserts, 'insert')}, "
            f"{counted(went_in.changes, 'change')}, {counted(went_in.deletes, 'delete')}. "
            f"{self.came_out:,} came out, {self.seconds:.1f} s after the last one went in."
        )
        if self.quarantined:
            delivery += f" {counted(self.quarantined, 'error object')} left: `sluice failed`."
        return [
            delivery,
            f"{counted(self.replayed, 'record')} failed in a broken transform, waited in "
            "quarantine, and came out by `sluice replay`.",
            f"{counted(self.backfilled, 'item')} of the table came again by `sluice backfill`.",
            f"{len(self.answers) - len(wrong)} of {len(self.answers)} saved queries answer as the "
            "table and the lines do" + (f"; wrong: {', '.join(wrong)}." if wrong else "."),
        ]


def sluice(session: Session, *arguments: str, statuses: tuple[int, ...] = (0,)) -> tuple[int, str]:
    """Return the exit status of a `sluice` command and what it prints.

    Raises LocalRunError for a status that is none of these.
    """
    command = [sys.executable, "-m", "sluice", *arguments]
    status, output, errors = captured(command, session.environment, ROOT)
    if status not in statuses:
        session.require_emulator()
        raise LocalRunError(f"`sluice {' '.join(arguments)}` failed: {errors.strip()}")
    return status, output


def demonstrate(
    session: Session,
    console: Console,
    report: Callable[[str], None],
    items: list[Item] | None = None,
) -> Outcome:
    """Write these items, or made-up records; follow them into the lake, and print what came out.

    This process becomes a client of the stack. Raises LocalRunError.
    """
    console.print(f"  Firehose's buffering, here and as deployed:\n{session.buffering()}")
    os.environ.update(session.client)
    try:
        return _demonstrate(session, Stack.named(STACK_NAME), console, report, items)
    except OperationError as error:
        raise LocalRunError(str(error)) from None


def _demonstrate(
    session: Session,
    stack: Stack,
    console: Console,
    report: Callable[[str], None],
    items: list[Item] | None,
) -> Outcome:
    steps = made_up(stack) if items is None else of_items(stack, items)
    arrivals = Arrivals(session, stack)
    report("writing one record, with a broken transform")
    with broken_transform(stack):
        first = next(steps)
        arrivals.wait(lambda status: status["transformed"] + status["failed"] > 0)
    report("writing records of every kind" if items is None else "loading the items")
    (others,) = steps
    went_in = Seeded(
        first.inserts + others.inserts,
        first.changes + others.changes,
        first.deletes + others.deletes,
    )
    last = time.monotonic()
    report("replaying the one record, and backfilling the table")
    arrivals.wait(lambda _: bool(error_keys(stack)))
    # Items of a file may have failed too, for reasons of their own.
    selection = Selection(KEYS_NOT_EXTRACTED.code)
    replayed = [step.counts.accepted for step in replay(stack, selection)][-1]
    checkpoint = session.folder / "backfill.json"
    _, printed = sluice(session, "backfill", "--checkpoint", str(checkpoint), "--json")
    backfilled = json.loads(printed)["items"]
    report("waiting for delivery")
    has_deletes = "REMOVE" in deployed_settings(stack)["change_types"]
    expected = went_in.total - (0 if has_deletes else went_in.deletes)
    arrivals.wait_for(expected, backfilled, replayed)
    seconds = time.monotonic() - last
    report("asking every saved query, and comparing lake and table")
    answers = check_answers(stack, arrivals, has_deletes)
    status, verdict = sluice(session, "verify", "--in-flight-seconds", "5", statuses=(0, 1))
    report("")
    console.print(sluice(session, "tree")[1], end="")
    if arrivals.sample:
        key, line = arrivals.sample
        console.print("\nOne line of the lake:")
        console.print(Text.assemble((f"s3://{stack.bucket}/{key}\n", "dim"), f"{line.decode()}\n"))
    report("compacting the lake, and comparing it again")
    _, compacted = sluice(session, "compact", "--older-than", "0s")
    again, _ = sluice(session, "verify", "--in-flight-seconds", "0", statuses=(0, 1))
    report("")
    sizes = [line for line in compacted.splitlines() if line.startswith(("before:", "after:"))]
    console.print("The lake before a compaction and after it:")
    for size in sizes:
        console.print(Text(size))
    console.print()
    outcome = Outcome(
        went_in,
        expected,
        arrivals.changes,
        seconds,
        replayed,
        len(error_keys(stack)),
        backfilled,
        answers,
        status == again == 0,
    )
    verdict_lines = verdict.splitlines()[-1 if outcome.verified else 0 :]
    for sentence in (*outcome.sentences(), *verdict_lines, *arrivals.problems):
        console.print(Text(sentence))
    return outcome


def check_answers(stack: Stack, arrivals: Arrivals, has_deletes: bool) -> dict[str, bool]:
    """Return whether each saved query answers as the lines of the lake and the table's items do."""
    table = stack.table
    lake = LakeContents(table, arrivals.lines, has_deletes=has_deletes)
    scan = items(table_scan(stack, READ_CAPACITY, 1, Stop()), lambda _: None)
    states = States(table)
    in_table = [item for item in scan if states.of_item(item) is not None]
    if not lake.versions:
        return dict.fromkeys(saved_queries(table), False)
    key = max(lake.versions, key=lambda each: len(lake.versions[each]))
    workgroup = Workgroup(stack, Limits(seconds=None, rows=None))
    answers = {}
    for name, query in saved_queries(table).items():
        question = Question(name, LakePart(table), key if "key" in query.parameters else ())
        rows = list(workgroup.run(question.sql(workgroup)).rows)
        answers[name] = CHECKS[name](lake, rows, in_table, key)
    return answers
