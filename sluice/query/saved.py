"""The saved queries: the `.sql` files of `saved/`, read here for the command, the page and Athena.

A file is a template, whose words in braces stand for the columns of the declared table:

{last_changes}  the table `last_changes` where the lake has it, else `all_changes`
{columns}   all columns of a line, but not the partitions
{key}       the key's column, or both, with a comma between them
{group}     the column that reports are grouped by; there may be none
{time}      the event time, in epoch milliseconds
{is_key}    the condition that the row is of the key that is asked for, as `:key` and `:sort_key`
{new NAME}  the name, with a number if it is a column's already

Several with commas between them are a list without repetition, and a comma at the end is there if
anything is: `{group, key,}`.

A comment `sluice: NAME` is a directive, one of DIRECTIVES. A comment that begins with the word
"sluice", or has "sluice:" within it, must be one: anything else would be ignored in silence. The
first other comment describes the query; the rest mean nothing.
"""

import re
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from chalicelib.catalog import (
    ALL_CHANGES,
    LAST_CHANGES,
    columns,
    key_columns,
    partition_columns,
    quoted,
    sql_name,
)
from chalicelib.declaration import Table
from sluice.errors import OperationError, OptionError
from sluice.query.parameters import parameters_of, replace_parameters, tokenize

FOLDER = Path(__file__).parent / "saved"

FILTER_ANSWER = "filter-answer"
"""Reading only a part of the lake could make the answer wrong, so the options filter the answer."""

DIRECTIVES = {FILTER_ANSWER}

KEY_PARAMETERS = ("key", "sort_key")
"""The parameters for the parts of a key, in the table's order."""

_WORDS = re.compile(r"\{([a-z_, ]+)\}(\s*)")
_MEANT = re.compile(r"sluice\b|.*\bsluice\s*:", re.IGNORECASE | re.DOTALL)
_DIRECTIVE = re.compile(r"sluice\s*:\s*(\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """A query that has a name."""

    name: str
    description: str
    sql: str
    directives: frozenset[str] = frozenset()

    @property
    def source(self) -> str:
        """The table that it reads, in whose place `narrow` puts a part of it."""
        return LAST_CHANGES if f"FROM {LAST_CHANGES}\n" in self.sql else ALL_CHANGES

    @property
    def parameters(self) -> frozenset[str]:
        """The parameters that must have a value."""
        return parameters_of(self.sql)

    @property
    def prepared(self) -> str:
        """The query with `?` for its parameters, as Athena's console asks for their values."""
        return replace_parameters(self.sql, lambda _: "?")


def saved_queries(
    table: Table,
    *,
    key_parts: int | None = None,
    last_changes: bool = False,
    folder: Path = FOLDER,
) -> dict[str, SavedQuery]:
    """Return the saved queries for a table, by name.

    `key_parts` is how many parts of the key a question names; None: all. `last_changes` is whether
    the lake has the table of that name. Raises OperationError for a file that is wrong.
    """
    parts = len(table.key) if key_parts is None else key_parts
    words = _Words(table, parts, LAST_CHANGES if last_changes else ALL_CHANGES)
    return {file.stem: _read(file, words) for file in sorted(folder.glob("*.sql"))}


def saved_query(
    table: Table, name: str, *, key_parts: int | None = None, last_changes: bool = False
) -> SavedQuery:
    """Return one saved query. Raises OptionError, with the names of all, for an unknown one."""
    queries = saved_queries(table, key_parts=key_parts, last_changes=last_changes)
    if name not in queries:
        raise OptionError(
            f"there is no saved query {name}; there are {', '.join(queries)}, or write SQL"
        )
    return queries[name]


class _Words:
    """The words of the templates, for one table."""

    def __init__(self, table: Table, key_parts: int, last_changes: str) -> None:
        key = key_columns(table)
        names = tuple(column.name for column in columns(table))
        self._taken = {*names, *(column.name for column in partition_columns(table))}
        self._lists = {
            "columns": names,
            "key": key,
            "group": (sql_name(table.group.name),) if table.group else (),
            "time": (sql_name(table.time_line_name),),
        }
        self._last_changes = last_changes
        self._is_key = " AND ".join(
            f"{quoted(name)} = :{parameter}"
            for name, parameter in list(zip(key, KEY_PARAMETERS, strict=False))[:key_parts]
        )

    def render(self, template: str) -> str:
        """Return a template's SQL. Raises KeyError for an unknown word."""

        def text(words: re.Match[str]) -> str:
            columns = self._text(words[1])
            return columns + words[2] if columns else ""

        return _WORDS.sub(text, template)

    def _text(self, words: str) -> str:
        if words == "is_key":
            return self._is_key
        if words == "last_changes":
            return self._last_changes
        if words.startswith("new "):
            return quoted(self._new(words.removeprefix("new ")))
        *names, last = (word.strip() for word in words.split(","))
        lists = [self._lists[name] for name in (*names, *([last] if last else ()))]
        names = list(dict.fromkeys(quoted(name) for each in lists for name in each))
        return ", ".join(names) + ("," if names and not last else "")

    def _new(self, name: str) -> str:
        numbered = (f"{name}_{number}" for number in count(2))
        return next(each for each in chain([name], numbered) if each not in self._taken)


def _read(file: Path, words: _Words) -> SavedQuery:
    try:
        sql = words.render(file.read_text())
    except KeyError as unknown:
        raise OperationError(
            f"{file.name} has the unknown word {unknown.args[0]!r} in braces; the words are "
            "last_changes, columns, key, group, time, is_key and new NAME"
        ) from None
    tokens = tokenize(sql)
    if not tokens:
        raise OperationError(f"{file.name} holds no SQL, or has a quote that is not closed")
    directives, notes = set(), []
    for comment in (comment.strip() for token in tokens for comment in token.comments):
        if not _MEANT.match(comment):
            notes.append(comment)
        elif (spelled := _DIRECTIVE.fullmatch(comment)) and spelled[1] in DIRECTIVES:
            directives.add(spelled[1])
        else:
            raise OperationError(
                f"{file.name} has the unknown directive {comment!r}; a directive is a comment of "
                f"its own, `sluice: NAME`, and the names are {', '.join(sorted(DIRECTIVES))}"
            )
    return SavedQuery(file.stem, notes[0] if notes else "", sql, frozenset(directives))
