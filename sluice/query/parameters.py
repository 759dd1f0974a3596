"""The parameters of a query: each `:name` outside of texts, quoted names and comments."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import ClassVar

import sqlglot
from sqlglot import Token, TokenType
from sqlglot.dialects.trino import Trino
from sqlglot.errors import TokenError

from sluice.errors import OptionError

Value = str | int


class AthenaWords(Trino):
    """Athena's SQL as words: `EXPLAIN` and the like do not hide the words after them."""

    class Tokenizer(Trino.Tokenizer):
        """Reads every statement to its end."""

        COMMANDS: ClassVar[set[TokenType]] = set()


def parameters_of(sql: str) -> frozenset[str]:
    """Return the names of a query's parameters."""
    return frozenset(name.text for name in _names(sql))


def replace_parameters(sql: str, replacement: Callable[[str], str]) -> str:
    """Return the query with every parameter replaced, by its name; all else stays as it is."""
    pieces, end = [], 0
    for name in _names(sql):
        pieces += [sql[end : name.start - 1], replacement(name.text)]
        end = name.end + 1
    return "".join(pieces) + sql[end:]


def bind(sql: str, values: Mapping[str, Value]) -> str:
    """Return the query with literals for parameters. Raises OptionError for a missing value."""
    if missing := parameters_of(sql) - values.keys():
        names = ", ".join(f":{name}" for name in sorted(missing))
        raise OptionError(f"the query has {names}, which no option gives a value")
    return replace_parameters(sql, lambda name: literal(values[name]))


def literal(value: Value) -> str:
    """Return a value as SQL. In a text, only the quote has a meaning of its own."""
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def tokenize(sql: str) -> list[Token]:
    """Return the words of a query; none of one that cannot be read, such as an unclosed quote."""
    try:
        return sqlglot.tokenize(sql, dialect=AthenaWords)
    except TokenError:
        return []


def _names(sql: str) -> list[Token]:
    """The names that directly follow a colon, which itself does not directly follow a name."""
    tokens = tokenize(sql)
    return [
        name
        for colon, name in pairwise(tokens)
        if colon.token_type is TokenType.COLON
        and name.start == colon.end + 1
        and name.text.isidentifier()
        and name.text.islower()
        and not _is_part_of_name(sql[colon.start - 1 : colon.start])
    ]


def _is_part_of_name(character: str) -> bool:
    return character.isalnum() or character == "_"
