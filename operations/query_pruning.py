"""What of the lake a query reads, told from its syntax: its tables, and the conditions on them.

It says no more than the words do, and nothing of a statement that it cannot read: warnings hang on
it, never whether a query is asked.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from chalicelib.catalog import ALL_CHANGES, CHANGES

# It warns of statements that it reads the opening word of alone, which are no queries.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

_RANGES = (exp.EQ, exp.In, exp.Between, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like)


class Read(NamedTuple):
    """One place in which a query reads a table; names are in lower case."""

    table: str
    compared: frozenset[str]
    """The columns that its conditions compare with constants, and so hold to a range."""
    named: frozenset[str]
    """Those among them that are held to given values."""


def reads(sql: str) -> list[Read]:
    """Every place in which a query reads a table."""
    try:
        statements = sqlglot.parse(sql, dialect="athena")
        return [
            _read(table, scope)
            for statement in statements
            if isinstance(statement, exp.Query)
            for scope in traverse_scope(statement)
            for table in scope.sources.values()
            if isinstance(table, exp.Table)
        ]
    except SqlglotError:
        return []


def everything(found: Iterable[Read], partitions: Collection[str]) -> str | None:
    """Why reads are of all of the lake, or None when they are not."""
    for read in found:
        if read.table == ALL_CHANGES:
            return f"{ALL_CHANGES} has no partitions"
        if read.table == CHANGES and read.compared.isdisjoint(partitions):
            return f"it compares none of {', '.join(partitions)} with a value"
    return None


def unnamed(found: Iterable[Read], asked: Collection[str]) -> set[str]:
    """The columns that `changes` asks a value of and some read of it does not give one."""
    return {
        name for read in found if read.table == CHANGES for name in asked if name not in read.named
    }


def _read(table: exp.Table, scope: Scope) -> Read:
    conditions = list(_conditions(scope))
    return Read(
        table.name.lower(),
        frozenset().union(*(_held(each, _compared) for each in conditions)),
        frozenset().union(*(_held(each, _named) for each in conditions)),
    )


def _conditions(scope: Scope | None) -> Iterator[exp.Expr]:
    """The conditions that a row of the scope's tables must meet, those around it included."""
    while scope is not None:
        select = scope.expression
        if where := select.args.get("where"):
            yield where.this
        for join in select.args.get("joins", ()):
            if not join.side and (on := join.args.get("on")):
                yield on
        inner, scope = scope, scope.parent
        # A subquery has rows of its own, and a window or a limit looks at those around each row:
        # what is asked of the rows outside is then not asked of the table.
        if inner.is_subquery or select.args.get("limit") or select.find(exp.Window):
            return


def _held(condition: exp.Expr, leaf: Callable[[exp.Expr], set[str]]) -> set[str]:
    """The columns that a condition holds in every way in which it can be true."""
    match condition:
        case exp.Paren():
            return _held(condition.this, leaf)
        case exp.And():
            return _held(condition.left, leaf) | _held(condition.right, leaf)
        case exp.Or():
            return _held(condition.left, leaf) & _held(condition.right, leaf)
    return leaf(condition)


def _compared(condition: exp.Expr) -> set[str]:
    if not isinstance(condition, _RANGES) or condition.find(exp.Query):
        return set()
    sides = [_columns(each) for each in condition.iter_expressions()]
    return set().union(*sides) if sum(map(bool, sides)) == 1 else set()


def _named(condition: exp.Expr) -> set[str]:
    if not isinstance(condition, exp.EQ | exp.In):
        return set()
    sides = condition.iter_expressions()
    whole = {each.name.lower() for each in sides if isinstance(each, exp.Column)}
    return _compared(condition) & whole


def _columns(side: exp.Expr) -> set[str]:
    return {each.name.lower() for each in side.find_all(exp.Column)}
