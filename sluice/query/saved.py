"""The saved queries: the `.sql` files of `saved/`, read here for the command, the page and Athena.

A comment `sluice: NAME` is a directive, one of DIRECTIVES. A comment that begins with the word
"sluice", or has "sluice:" within it, must be one: anything else would be ignored in silence. The
first other comment describes the query; the rest mean nothing.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from sluice.errors import OperationError
from sluice.query.parameters import parameters_of, replace_parameters, tokenize

FOLDER = Path(__file__).parent / "saved"

FILTER_ANSWER = "filter-answer"
"""Reading only a part of the lake could make the answer wrong, so the options filter the answer."""

DIRECTIVES = {FILTER_ANSWER}

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
    def parameters(self) -> frozenset[str]:
        """The parameters that must have a value."""
        return parameters_of(self.sql)

    @property
    def prepared(self) -> str:
        """The query with `?` for its parameters, as Athena's console asks for their values."""
        return replace_parameters(self.sql, lambda _: "?")


def saved_queries(folder: Path = FOLDER) -> dict[str, SavedQuery]:
    """Return the saved queries by name. Raises OperationError for a file that is wrong."""
    return {file.stem: _read(file) for file in sorted(folder.glob("*.sql"))}


def saved_query(name: str) -> SavedQuery:
    """Return one saved query. Raises OperationError, with the names of all, for an unknown one."""
    queries = saved_queries()
    if name not in queries:
        raise OperationError(
            f"there is no saved query {name}; there are {', '.join(queries)}, or write SQL"
        )
    return queries[name]


def _read(file: Path) -> SavedQuery:
    sql = file.read_text()
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
