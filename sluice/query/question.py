"""A question to the lake, the SQL that is run for it, and what to warn of before."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.catalog import CHANGES, partition_column
from chalicelib.partitions import DATA_PREFIX
from chalicelib.schema import SITE
from sluice.errors import OperationError
from sluice.query.athena import QUERY_BYTES_MAX, Workgroup
from sluice.query.parameters import Value, bind, parameters_of
from sluice.query.part import LakePart, narrow, sites_shown, years_shown
from sluice.query.pruning import Read, missing_values, reads, whole_lake
from sluice.query.saved import saved_query

_SITE_PARTITION = partition_column(SITE)

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
            raise OperationError(
                f"the query does not say where {', '.join(unused) or '--pruned'} applies; name it "
                f"there, for example WHERE {_SITE_PARTITION} = :site_partition"
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
    if of_changes := [read for read in tables if read.table == CHANGES]:
        limit = part.beyond(workgroup.years, workgroup.sites) or _hidden(
            of_changes, part, workgroup
        )
        if limit:
            sentences.append(f"changes shows {limit}, or ask all_changes")
    return sentences


def _hidden(tables: Sequence[Read], part: LakePart, workgroup: Workgroup) -> str | None:
    """Return which folders of the part `changes` does not show, as far as the listing names them.

    The folders are followed from the outermost level to that of the year.
    """
    prefix = DATA_PREFIX
    for column, level in workgroup.levels.items():
        if column == _SITE_PARTITION and part.site is None:
            if workgroup.sites is None or any(column in read.compared for read in tables):
                return None
            sites = set(workgroup.folders(prefix, level)) - workgroup.sites
            return sites_shown(sites) if sites else None
        if column == _SITE_PARTITION:
            prefix += f"{level}={part.site_partition}/"
        elif level == "year" and workgroup.years:
            asked = any(part.days) or not all(column in read.compared for read in tables)
            years = sorted(set(map(int, filter(str.isdecimal, workgroup.folders(prefix, level)))))
            hidden = [year for year in years if asked and part.outside(year, workgroup.years)]
            return years_shown(workgroup.years, hidden) if hidden else None
        else:
            return None
    return None
