"""`sluice erase`: all changes of some keys, for good."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from chalicelib.declaration import Table
from chalicelib.keys import Texts, key_from, texts_of
from sluice.cli.command import (
    ProgressBar,
    err,
    exit_incomplete,
    json_option,
    out,
    print_json,
    sluice,
)
from sluice.erasure.changes import Keys
from sluice.erasure.checkpoint import checkpoint
from sluice.erasure.memory import Memory
from sluice.erasure.run import Erased, Erasure
from sluice.erasure.search import Findings, Tally
from sluice.errors import OperationError, OptionError
from sluice.query.part import level_values
from sluice.stack import Stack
from sluice.verify.deployed import delivery_seconds, has_deletes
from sluice.wording import counted


@sluice.command("erase")
@click.argument("key", nargs=-1)
@click.option(
    "--from",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file with a key in each line; of a key of two parts, with a tab between them.",
)
@click.option(
    "--where",
    multiple=True,
    metavar="LEVEL=VALUE",
    help="Search data/ only where this level of the layout has this value. May be repeated.",
)
@click.option(
    "--keep-latest",
    is_flag=True,
    help="Erase only what is older than the latest state, which the table still has.",
)
@click.option(
    "--remove-lost",
    is_flag=True,
    help="Do not wait for the deletion of a key, since the lake will never have it.",
)
@click.option("--verify", is_flag=True, help="Only search; exit 1 when something is left.")
@click.option("--dry-run", is_flag=True, help="Only count what would be erased.")
@click.option("--yes", is_flag=True, help="Do not ask before the first change is erased.")
@json_option
@click.pass_obj
def erase_command(
    stack_name: str,
    key: tuple[str, ...],
    file: Path | None,
    where: tuple[str, ...],
    keep_latest: bool,
    remove_lost: bool,
    verify: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase all changes of KEYs, which the table no longer has, from the stack's bucket.

    Of a key of two parts, name both, one after the other. It searches every version of every
    object, takes the keys' changes out of them, and searches again. Run again, it goes on where it
    was. docs/erasure.md says what it cannot reach.
    """
    if verify and (dry_run or yes or keep_latest or remove_lost):
        raise click.UsageError("--verify only searches; of the other options it takes --where")
    if not key and file is None:
        raise click.UsageError("no key is named; name one, or a file of keys with --from")
    is_asked = not (verify or dry_run or yes)
    if is_asked and (as_json or not sys.stdin.isatty()):
        raise click.UsageError("without a terminal to ask on, name --yes, or --dry-run to count")
    stack = Stack.named(stack_name)
    keys = Keys(stack.table, _keys(stack.table, key, file))
    part = {each.level.name: each.in_path for each in level_values(stack.table, where)}
    memory = Memory(stack)
    if verify:
        erasure = Erasure(stack, keys, memory, Findings.new(), part)
        with _searching("objects") as progress:
            erasure.verify(progress)
        _print_findings(erasure.findings, as_json, "still has", "Nothing of {} is left.", keys)
        exit_incomplete(erasure.findings.problems)
        sys.exit(1 if erasure.findings.holding else 0)
    if dry_run:
        erasure = Erasure(stack, keys, memory, Findings.new(), part, keep_latest=keep_latest)
        with _searching("objects") as progress:
            erasure.search(progress)
            reasons = [erasure.refusal(), erasure.delay(partial(_seconds, stack), progress)]
        _print_findings(erasure.findings, as_json, "has", "There is nothing of {}.", keys)
        for reason in filter(None, reasons):
            err.print(f"not yet: {reason}")
        exit_incomplete(erasure.findings.problems)
        return
    name = memory.digest_of_all([*keys.texts, *part.items(), (str(keep_latest),)])
    path = Path(click.get_app_dir("sluice")) / f"erase-{stack.name}-{name[:32]}.json"
    with checkpoint(path) as kept:
        erasure = Erasure(
            *(stack, keys, memory, kept.findings, part),
            keep_latest=keep_latest,
            remove_lost=remove_lost,
        )
        _refuse(erasure.refusal())
        with _searching("objects") as progress:
            erasure.search(progress, kept.note)
            delay = erasure.delay(partial(_seconds, stack), progress)
        _refuse(delay)
        if is_asked and kept.findings.holding:
            what = f"{counted(kept.findings.holding, 'version')} of objects"
            click.confirm(f"Erase {counted(len(keys), 'key')} from {what}, for good?", abort=True)
        # The search may have taken hours.
        _refuse(erasure.refusal())
        with _searching("objects searched again") as progress:
            erased = erasure.erase(progress, err.print)
        kept.remove()
    _print_erased(erased, as_json, is_partial=bool(part))
    exit_incomplete(kept.findings.problems)
    if erased.left:
        raise OperationError(
            f"{counted(erased.left, 'version')} of objects came meanwhile with a key; "
            "run the command again when nothing else writes them"
        )


def _keys(table: Table, texts: tuple[str, ...], file: Path | None) -> list[Texts]:
    """Return the keys that the command line and a file name. Raises OptionError."""
    parts = len(table.key)
    named = [(f"key {n // parts + 1}", texts[n : n + parts]) for n in range(0, len(texts), parts)]
    if file is not None:
        named += [
            (f"line {number} of {file}", tuple(line.split("\t") if parts > 1 else [line]))
            for number, line in enumerate(_lines(file), 1)
            if line
        ]
    if not named:
        raise OptionError(f"{file} names no key; write a key in each line")
    keys = []
    for name, key in named:
        try:
            keys.append(texts_of(table, key_from(table, key)))
        except ValueError as wrong:
            raise OptionError(f"{name}: {wrong}") from None
    return keys


def _lines(file: Path) -> list[str]:
    try:
        return [line.removesuffix("\r") for line in file.read_text("utf-8-sig").split("\n")]
    except OSError as error:
        raise OptionError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise OptionError(f"{file} is not text in UTF-8; write a key in each line") from None


def _seconds(stack: Stack) -> float | None:
    """Return how long a deletion may take into the lake; None if it never comes."""
    return delivery_seconds(stack) if has_deletes(stack) else None


@contextmanager
def _searching(label: str) -> Iterator[Callable[[int], None]]:
    with ProgressBar(label) as bar:
        yield bar.step


def _refuse(reason: str | None) -> None:
    if reason:
        raise OperationError(reason)


def _print_findings(findings: Findings, as_json: bool, verb: str, nothing: str, keys: Keys) -> None:
    if as_json:
        found = len(findings.newest)
        print_json({"keys": len(keys), "found": found, "places": findings.tallies})
    elif findings.holding:
        _print_places(findings.tallies, verb)
    else:
        out.print(nothing.format(counted(len(keys), "key")))


def _print_places(places: Mapping[str, Tally], verb: str) -> None:
    for place, tally in places.items():
        out.print(
            f"{place} {verb} {counted(tally.changes, 'change')} in "
            f"{counted(tally.objects, 'object')}, and {counted(tally.old_versions, 'old version')}"
        )


def _print_erased(erased: Erased, as_json: bool, *, is_partial: bool) -> None:
    if as_json:
        print_json(erased)
        return
    _print_places(erased.places, "had")
    keys = counted(erased.keys, "key")
    if erased.absent == erased.keys:
        out.print(f"Nothing to erase: there is nothing of {keys}.")
    else:
        absent = f"; of {erased.absent} there was nothing" if erased.absent else ""
        out.print(f"Erased {keys}{absent}.")
    if not erased.left:
        where = "what --where names of data/" if is_partial else "every version of every object"
        out.print(f"A second search, of {where}, found nothing of them.")
    if is_partial:
        out.print("sluice erase --verify searches the rest of data/ too.")
