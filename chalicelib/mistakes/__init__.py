"""What is wrong with a declaration: every mistake, each with the name, the rule and the remedy.

It is read before a deployment and by every command, and never by the functions, which run with what
was read here before. Nothing that a file declares ends in a traceback.
"""

from chalicelib.declaration import Table
from chalicelib.mistakes.examples import check_examples
from chalicelib.mistakes.names import check_names
from chalicelib.mistakes.reading import read_kinds, wrong_parts
from chalicelib.mistakes.rules import (
    check_key,
    check_kinds,
    check_layout,
    check_protect,
    check_room,
    check_times,
    check_told_by,
)

_CHECKS = (
    check_key,
    check_kinds,
    check_told_by,
    check_times,
    check_layout,
    check_names,
    check_protect,
)


def mistakes(table: Table) -> list[str]:
    """Return what is wrong with a table's declaration, as sentences; none if it can be used."""
    if errors := [*wrong_parts(table)]:
        return errors
    kinds, errors = read_kinds(table)
    for check in _CHECKS:
        errors += check(table, kinds)
    if not errors:
        errors += check_room(table)
    if not errors:
        errors += check_examples(table)
    return list(dict.fromkeys(errors))


def layout_errors(table: Table) -> list[str]:
    """Return what is wrong with the layout of a table that is right otherwise, as sentences."""
    kinds, _ = read_kinds(table)
    return [*check_layout(table, kinds)] or [*check_names(table, kinds), *check_room(table)]
