"""The tables that a query reads, and the conditions on them, from its syntax.

Of a statement that it cannot read, or that nests too deeply, it reports nothing: only warnings
depend on it, never whether a query is run.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from typing import NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

# It warns of statements of which it reads only the first word; those are not queries.
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
    """Return every place in which a query reads a table."""
    try:
        statements = sqlglot.parse(sql, dialect="athena")
        return [
            _read(table, name, scope)
            for statement in statements
            if isinstance(statement, exp.Query)
            for scope in traverse_scope(statement)
            for name, table in scope.sources.items()
            if isinstance(table, exp.Table)
        ]
    except (SqlglotError, RecursionError):
        return []


def whole_lake(tables: Iterable[Read], partitions: Mapping[str, Collection[str]]) -> str | None:
    """Return why a query reads the whole lake, or None when it does not.

    `partitions` has the partition columns of each table of the lake.
    """
    for read in tables:
        columns = partitions.get(read.table)
        if columns is None:
            continue
        if not columns:
            return f"{read.table} has no partitions"
        if read.compared.isdisjoint(columns):
            return f"it compares none of {', '.join(columns)} with a value"
    return None


def missing_values(tables: Iterable[Read], required: Mapping[str, Set[str]]) -> set[str]:
    """Return the columns that a table requires a value of and that some read of it gives none."""
    return set[str]().union(
        *(required[read.table] - read.named for read in tables if read.table in required)
    )


def _read(table: exp.Table, name: str, scope: Scope) -> Read:
    conditions = list(_conditions(name, scope))
    return Read(
        table.name.lower(),
        frozenset().union(*(_held(each, _compared, name) for each, name in conditions)),
        frozenset().union(*(_held(each, _named, name) for each, name in conditions)),
    )


def _conditions(name: str | None, scope: Scope | None) -> Iterator[tuple[exp.Expr, str | None]]:
    """The conditions that a row of a scope's table must meet, those around it included.

    Each comes with the name that the table, or what it is read through, has there.
    """
    while scope is not None:
        select = scope.expression
        if where := select.args.get("where"):
            yield where.this, name
        for join in select.args.get("joins", ()):
            if not join.side and (on := join.args.get("on")):
                yield on, name
        inner, scope = scope, scope.parent
        if scope is not None:
            name = next((key for key, each in scope.sources.items() if each is inner), None)
        # A subquery has rows of its own, and a window or a limit looks at those around each row:
        # what is asked of the rows outside is then not asked of the table.
        if inner.is_subquery or select.args.get("limit") or select.find(exp.Window):
            return


Leaf = Callable[[exp.Expr, str | None], set[str]]


def _held(condition: exp.Expr, leaf: Leaf, source: str | None) -> set[str]:
    """The columns of a source that a condition holds in every way in which it can be true."""
    match condition:
        case exp.Paren():
            return _held(condition.this, leaf, source)
        case exp.And():
            return _held(condition.left, leaf, source) | _held(condition.right, leaf, source)
        case exp.Or():
            return _held(condition.left, leaf, source) & _held(condition.right, leaf, source)
    return leaf(condition, source)


def _compared(condition: exp.Expr, source: str | None) -> set[str]:
    if not isinstance(condition, _RANGES) or condition.find(exp.Query):
        return set()
    sides = [list(each.find_all(exp.Column)) for each in condition.iter_expressions()]
    if sum(map(bool, sides)) != 1:
        return set()
    return {
        column.name.lower()
        for side in sides
        for column in side
        if source is None or column.table.lower() in ("", source.lower())
    }


def _named(condition: exp.Expr, source: str | None) -> set[str]:
    if not isinstance(condition, exp.EQ | exp.In):
        return set()
    sides = condition.iter_expressions()
    whole = {each.name.lower() for each in sides if isinstance(each, exp.Column)}
    return _compared(condition, source) & whole
