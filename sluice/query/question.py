"""A question to the lake, the SQL that is run for it, and what to warn of before."""

import re
from dataclasses import dataclass

from chalicelib.catalog import CHANGES, partition_column
from chalicelib.schema import SITE
from sluice.errors import OperationError
from sluice.query.athena import QUERY_BYTES_MAX, Workgroup
from sluice.query.parameters import Value, bind, parameters_of
from sluice.query.part import LakePart, narrow
from sluice.query.pruning import missing_values, reads, whole_lake
from sluice.query.saved import saved_query

_NAME = re.compile(r"[a-z][a-z0-9-]*")

_OPTIONS = {
    "site": "--site",
    "site_partition": "--site",
    "key": "--key",
    "from_ms": "--from",
    "to_ms": "--to",
}
"""The option that gives each parameter its value."""


@dataclass(frozen=True, slots=True)
class Question:
    """The name of a saved query, or SQL, and the options beside it."""

    text: str
    part: LakePart
    key: str | None = None
    pruned: bool = False

    def __post_init__(self) -> None:
        """Raise OperationError for a text that Athena does not take."""
        if "\0" in self.text:
            raise OperationError("the query holds a NUL character, which no SQL has; take it out")
        if (size := len(self.text.encode(errors="replace"))) > QUERY_BYTES_MAX:
            raise OperationError(
                f"the query has {size} bytes, and Athena takes {QUERY_BYTES_MAX} at most; "
                "shorten it"
            )

    def sql(self, workgroup: Workgroup) -> str:
        """Return the SQL to run. Raises OperationError for options that do not fit the text."""
        return self._saved(workgroup) if _NAME.fullmatch(self.text) else self._own()

    def _saved(self, workgroup: Workgroup) -> str:
        query, values = saved_query(self.text), self._key()
        if missing := query.parameters - values.keys():
            raise OperationError(f"{query.name} needs --{', --'.join(sorted(missing))}")
        if surplus := values.keys() - query.parameters:
            raise OperationError(f"{query.name} takes no --{', --'.join(sorted(surplus))}")
        sql = narrow(query, self.part, workgroup.partitions, workgroup.required, pruned=self.pruned)
        return bind(sql, values)

    def _own(self) -> str:
        values = self.part.parameters() | self._key()
        used = {_OPTIONS.get(name) for name in parameters_of(self.text)}
        options = dict.fromkeys(_OPTIONS[name] for name in values)
        unused = [option for option in options if option not in used]
        if unused or self.pruned:
            column = partition_column(SITE)
            raise OperationError(
                f"the query does not say where {', '.join(unused) or '--pruned'} applies; name it "
                f"there, for example WHERE {column} = :site_partition"
            )
        return bind(self.text, values)

    def _key(self) -> dict[str, Value]:
        return {} if self.key is None else {"key": self.key}


def warnings(sql: str, part: LakePart, workgroup: Workgroup) -> list[str]:
    """Return what a query reads without need, and what it does not show."""
    sentences = []
    tables = reads(sql)
    if reason := whole_lake(tables, workgroup.partitions):
        sentences.append(f"this reads the whole lake: {reason}")
    if workgroup.emulated and (missing := missing_values(tables, workgroup.required)):
        sentences.append(f"AWS refuses this: changes needs a value of {', '.join(sorted(missing))}")
    of_changes = any(read.table == CHANGES for read in tables)
    if of_changes and (limit := part.beyond(workgroup.years, workgroup.sites)):
        sentences.append(f"changes shows {limit}, or ask all_changes")
    return sentences
