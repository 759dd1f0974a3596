"""`sluice compact`: raw objects of the lake into its two Iceberg tables."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import click
import msgspec

from chalicelib.compaction import Compacted
from sluice.cli.command import (
    ProgressBar,
    err,
    exit_incomplete,
    json_option,
    out,
    print_json,
    sluice,
)
from sluice.cli.selection import Since
from sluice.compaction.athena import compact_by_athena
from sluice.compaction.maintenance import Maintained, Retention, maintain
from sluice.compaction.run import compact, older_objects
from sluice.compaction.size import LakeSize, lake_size
from sluice.compaction.tables import LakeTables
from sluice.errors import OperationError, OptionError
from sluice.stack import Stack
from sluice.wording import counted


class Report(msgspec.Struct, frozen=True, rename="camel"):
    """What a run did, and the lake before and after it."""

    compacted: Compacted
    maintained: Maintained
    before: LakeSize
    after: LakeSize

    def sentences(self) -> list[str]:
        """Return what there is to say of the run, a line each."""
        run, care = self.compacted, self.maintained
        lines = [sentence(run)]
        counts = {
            "copies of changes removed": care.copies,
            "small files written together": care.rewritten,
            "snapshots expired": care.snapshots,
            "unused files deleted": care.files,
            "deleted records forgotten": care.deleted,
        }
        if any(counts.values()):
            lines.append("; ".join(f"{what}: {count}" for what, count in counts.items() if count))
        return [*lines, f"before: {self.before}", f"after:  {self.after}"]


def sentence(run: Compacted) -> str:
    """Return what became of the raw objects, in words."""
    kept = f"; left because they cannot be read whole: {counted(run.kept, 'object')}"
    return (
        f"{counted(run.lines, 'line')} of {counted(run.objects, 'object')} "
        f"({run.bytes:,} bytes): {counted(run.appended, 'change')} new in history"
        f"{kept if run.kept else ''}"
    )


def _days_to_keep(name: str, text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    default: timedelta = getattr(Retention(), name)
    return click.option(
        f"--keep-{name}",
        type=click.IntRange(min=0),
        default=default.days,
        metavar="DAYS",
        help=text,
    )


@sluice.command("compact")
@click.option(
    "--older-than",
    "before",
    type=Since(),
    default="1h",
    help="Only objects written before: an age such as 90m, 6h, 2d, or a time.",
)
@click.option(
    "--day", type=click.DateTime(["%Y-%m-%d"]), help="Only objects of this day of event time."
)
@_days_to_keep("snapshots", "For how many days the tables' earlier states can be read.")
@_days_to_keep("files", "For how many days files stay that no snapshot has.")
@_days_to_keep("deleted", "For how many days `current` remembers a deleted record.")
@click.option(
    "--engine",
    type=click.Choice(["local", "athena"]),
    help="What does the work: this machine for a local stack, Athena for one on AWS.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be compacted, and do nothing.")
@json_option
@click.pass_obj
def compact_command(
    stack_name: str,
    /,
    before: datetime,
    day: datetime | None,
    engine: str | None,
    dry_run: bool,
    as_json: bool,
    **days: Any,
) -> None:
    """Move what the lake's raw objects hold into the tables `history` and `current`.

    It may be stopped and run again at any moment. Exits 1 when an object cannot be read; that one
    stays.
    """
    stack = Stack.named(stack_name)
    if not stack.reads_compacted:
        raise OperationError(
            f"{stack.name} is a stack on AWS whose queries do not read compacted tables; deploy it "
            "with -c compaction=manual, or hourly or daily"
        )
    own_engine = "local" if stack.emulated else "athena"
    if engine not in (None, own_engine):
        raise OptionError(
            f"{stack.name} is compacted by --engine {own_engine} alone; docs/compaction.md says why"
        )
    keep = {name.removeprefix("keep_"): timedelta(days=number) for name, number in days.items()}
    if not stack.emulated and Retention(**keep) != Retention():
        raise OptionError("the --keep options are for local stacks; Athena's VACUUM keeps 5 days")
    number = size = 0
    for each in older_objects(stack, before, day and day.date()):
        number += 1
        size += each.size
    if not number:
        err.print(f"no object was written before {before:%Y-%m-%d %H:%M:%SZ}: see --older-than")
    if dry_run:
        if as_json:
            print_json({"objects": number, "bytes": size})
        else:
            out.print(f"{counted(number, 'object')} would be compacted ({size:,} bytes)")
        return
    # Listed anew while they are read, since a lake may have more than fit into memory.
    stored = older_objects(stack, before, day and day.date())
    problems: list[str] = []
    if not stack.emulated:
        with ProgressBar("compacting", number) as bar:
            by_athena = compact_by_athena(stack, list(stored), problems, bar.step)
        if as_json:
            print_json({"compacted": by_athena})
        else:
            out.print(sentence(by_athena))
        exit_incomplete(problems)
        return
    tables = LakeTables(stack, stack.table)
    size_before = lake_size(stack)
    with ProgressBar("compacting", number) as bar:
        compacted = compact(tables, stored, problems, bar.step)
    maintained = maintain(tables, Retention(**keep))
    report = Report(compacted, maintained, size_before, lake_size(stack))
    if as_json:
        print_json(report)
    else:
        for line in report.sentences():
            out.print(line)
    exit_incomplete(problems)
