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

_CONSTANT = (exp.Column, exp.Identifier, exp.Literal, exp.Neg, exp.Paren, exp.Add, exp.Sub, exp.Mul)
"""What a condition may be made of that is the same for all rows of a partition."""

NO_PARTITION = "FALSE"
"""The condition that no partition meets."""


class Read(NamedTuple):
    """One place in which a query reads a table; names are in lower case."""

    table: str
    compared: frozenset[str]
    """The columns that its conditions compare with constants, and so hold to a range."""
    named: frozenset[str]
    """Those among them that are held to given values."""


class RawTable(NamedTuple):
    """A table that has raw objects."""

    partitions: Collection[str] = ()
    condition: str | None = None
    """What the partitions of all its rows meet, in SQL; None: nothing is known."""


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


def raw_condition(sql: str, tables: Mapping[str, RawTable]) -> str | None:
    """Return what the partition of every row meets that a query of the local engine needs.

    It is a condition of DuckDB's on partition columns; None is any. Unlike a warning, it decides
    what is read: so only the conditions of the very SELECT that reads a table count.
    """
    try:
        statements = [each for each in sqlglot.parse(sql, dialect="duckdb") if each]
        scopes = [scope for each in statements for scope in traverse_scope(each)]
    except (SqlglotError, RecursionError):
        return None
    places = [place for scope in scopes for place in scope.selected_sources.items()]
    known = {id(node) for _, (node, _) in places}
    every = [node for each in statements for node in each.find_all(exp.Table)]
    if not all(
        isinstance(each.this, exp.Identifier) and id(each) in known for each in every
    ) or not all(isinstance(each, exp.Query) for each in statements):
        return None
    conditions: list[str] = []
    for scope in scopes:
        for name, (node, source) in scope.selected_sources.items():
            if not isinstance(source, exp.Table) or node.name.lower() not in tables:
                continue
            table = tables[node.name.lower()]
            own = [table.condition] if table.condition else []
            where = scope.expression.args.get("where")
            if where and _is_plain(node) and not _pairs_by_order(scope.expression):
                is_only = len(scope.selected_sources) == 1
                own += _of_partitions(where.this, table.partitions, name, is_only=is_only)
            if not own:
                return None
            conditions.append(f"({' AND '.join(own)})")
    return " OR ".join(dict.fromkeys(conditions)) or NO_PARTITION


def _is_plain(table: exp.Expr) -> bool:
    """Whether a table is read as it is: with no sample, pivot, or other names of its columns."""
    alias = table.args.get("alias")
    return {name for name, value in table.args.items() if value} <= {"this", "alias"} and not (
        alias and alias.args.get("columns")
    )


def _pairs_by_order(select: exp.Expr) -> bool:
    """Whether the rows that a join pairs depend on others, as those of ASOF and POSITIONAL do."""
    return any(join.method for join in select.args.get("joins") or ())


def _of_partitions(
    condition: exp.Expr, partitions: Collection[str], source: str, *, is_only: bool
) -> list[str]:
    """Return what a condition on a source says of its partition columns, as conditions."""

    def of(part: exp.Expr) -> list[str]:
        return _of_partitions(part, partitions, source, is_only=is_only)

    match condition:
        case exp.Paren():
            return of(condition.this)
        case exp.And():
            return of(condition.left) + of(condition.right)
        case exp.Or():
            sides = of(condition.left), of(condition.right)
            return [f"({' OR '.join(' AND '.join(side) for side in sides)})"] if all(sides) else []
    if not isinstance(condition, _RANGES) or not all(
        isinstance(each, (*_RANGES, *_CONSTANT)) for each in condition.walk()
    ):
        return []
    named = list(condition.find_all(exp.Column))
    if not named or not all(
        each.name.lower() in partitions
        and (each.table.lower() == source.lower() or (is_only and not each.table))
        for each in named
    ):
        return []
    bare = condition.transform(
        lambda node: (
            exp.column(node.name.lower(), quoted=True) if isinstance(node, exp.Column) else node
        )
    )
    return [bare.sql(dialect="duckdb")]


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
