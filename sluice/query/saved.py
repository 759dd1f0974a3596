"""The saved queries: the `.sql` files of `saved/`, read here for the command, the page and Athena.

A file's first comment describes the query. A comment `sluice: NAME` is a directive, one of
DIRECTIVES; no other comment means anything.
"""

from dataclasses import dataclass
from pathlib import Path

from sluice.errors import OperationError
from sluice.query.parameters import parameters_of, replace_parameters, tokenize

FOLDER = Path(__file__).parent / "saved"

FILTER_ANSWER = "filter-answer"
"""Reading only a part of the lake could make the answer wrong, so the options filter the answer."""

DIRECTIVES = {FILTER_ANSWER}


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
    comments = [comment.strip() for token in tokens for comment in token.comments]
    directives = {
        name.strip()
        for prefix, colon, name in (comment.partition(":") for comment in comments)
        if prefix.lower() == "sluice" and colon
    }
    if unknown := directives - DIRECTIVES:
        raise OperationError(
            f"{file.name} has the unknown directive {', '.join(sorted(unknown))}; "
            f"there is {', '.join(sorted(DIRECTIVES))}"
        )
    return SavedQuery(file.stem, comments[0] if comments else "", sql, frozenset(directives))
