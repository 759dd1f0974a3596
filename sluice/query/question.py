"""A question to the lake, the SQL that is run for it, and what to warn of before."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chalicelib.catalog import (
    ALL_CHANGES,
    CHANGES,
    LAST_CHANGES,
    folder,
    lake_tables,
    partition_column,
    quoted,
    sql_name,
)
from chalicelib.compacted import group_columns, raw_name
from chalicelib.declaration import TIME_FORMATS
from sluice.errors import OperationError, OptionError
from sluice.query.athena import QUERY_BYTES_MAX, Workgroup
from sluice.query.parameters import Value, bind, parameters_of
from sluice.query.part import LakePart, key_values, narrow, values_shown, years_shown
from sluice.query.partitioning import Partitioning
from sluice.query.pruning import Read, missing_values, reads, whole_lake
from sluice.query.saved import FILTER_ANSWER, saved_query

_NAME = re.compile(r"[a-z][a-z0-9-]*")


def check_text(text: str) -> None:
    """Raise OperationError for a text that Athena does not take."""
    if "\0" in text:
        raise OperationError("the query holds a NUL character, which no SQL has; take it out")
    if (size := len(text.encode(errors="replace"))) > QUERY_BYTES_MAX:
        raise OperationError(
            f"the query has {size} bytes, and Athena takes {QUERY_BYTES_MAX} at most; shorten it"
        )


@dataclass(frozen=True, slots=True)
class Question:
    """The name of a saved query, or SQL, and the options beside it."""

    text: str
    part: LakePart
    key: tuple[str, ...] = ()
    """The parts of a key, in the table's order: all of them, or the first."""
    pruned: bool = False

    def sql(self, workgroup: Workgroup) -> str:
        """Return the SQL to run. Raises OptionError for options that do not fit the text."""
        return self._saved(workgroup) if _NAME.fullmatch(self.text) else self._own()

    def _saved(self, workgroup: Workgroup) -> str:
        query = saved_query(
            self.part.table,
            self.text,
            key_parts=len(self.key) or None,
            last_changes=workgroup.has_last_changes,
        )
        values = self._key()
        if query.parameters - values.keys():
            raise OptionError(f"{query.name} needs --key")
        if values.keys() - query.parameters:
            raise OptionError(f"{query.name} takes no --key")
        partitioning = workgroup.partitioning()
        sql = narrow(
            query, self.part, partitioning.columns, partitioning.required, pruned=self.pruned
        )
        return bind(sql, values)

    def _own(self) -> str:
        values = self.part.parameters()
        values |= {name: (value, "--key") for name, value in self._key().items()}
        named = parameters_of(self.text)
        used = {option for name, (_, option) in values.items() if name in named}
        options = dict.fromkeys(option for _, option in values.values())
        unused = [option for option in options if option not in used]
        if unused or self.pruned:
            table = self.part.table
            example = f"{quoted(sql_name(table.time_line_name))} >= :from_ms"
            if table.group:
                column = partition_column(table.group)
                example = f"{quoted(column)} = :{column}"
            raise OptionError(
                f"the query does not say where {', '.join(unused) or '--pruned'} applies; name it "
                f"there, for example WHERE {example}"
            )
        return bind(self.text, {name: value for name, (value, _) in values.items()})

    def remedy(self, partitioning: Partitioning) -> str:
        """Return which options let a saved query read less; nothing of a person's own SQL."""
        if not _NAME.fullmatch(self.text):
            return ""
        levels = partitioning.levels
        options = [
            f"--where {level}=..."
            for column, level in levels.items()
            if column in partitioning.required and self.part.in_path(level) is None
        ]
        if levels and not options and not self.part:
            ways = (
                "--from/--to" if each in TIME_FORMATS else f"--where {each}=..."
                for each in levels.values()
            )
            options = [" or ".join(dict.fromkeys(ways))]
        if FILTER_ANSWER in saved_query(self.part.table, self.text).directives and not self.pruned:
            options.append("--pruned where records keep their site and time")
        return f"; narrow it with {', and '.join(options)}" if options else ""

    def _key(self) -> dict[str, Value]:
        return key_values(self.part.table, self.key) if self.key else {}


def warnings(sql: str, question: Question, workgroup: Workgroup) -> list[str]:
    """Return what a question's SQL reads without need, and what it does not show."""
    part = question.part
    lake = {each.name: each for each in lake_tables(part.table)}
    if workgroup.has_last_changes:
        lake |= {raw_name(name): each for name, each in lake.items()}
    every = reads(sql)
    tables = [read for read in every if read.table in lake]
    partitioned = {
        read.table: workgroup.partitioning(lake[read.table].name)
        for read in tables
        if lake[read.table].is_partitioned
    }
    partitions = {name: partitioned[name].columns if name in partitioned else () for name in lake}
    sentences = []
    if whole := _read_whole(every, partitions, workgroup):
        sentences.append(f"this reads {whole}{question.remedy(workgroup.partitioning())}")
    for name, partitioning in partitioned.items():
        of_table = [read for read in tables if read.table == name]
        if workgroup.emulated and (
            missing := missing_values(of_table, {name: partitioning.required})
        ):
            needed = ", ".join(sorted(missing))
            sentences.append(f"AWS refuses this: {name} needs a value of {needed}")
        hidden = part.beyond(partitioning) or _hidden(
            of_table, folder(lake[name].kind), part, partitioning, workgroup
        )
        if hidden:
            whole_name = name.replace(CHANGES, ALL_CHANGES, 1)
            sentences.append(f"{name} shows {hidden}, or ask {whole_name}")
    return sentences


def _read_whole(
    tables: Sequence[Read], partitions: Mapping[str, Sequence[str]], workgroup: Workgroup
) -> str | None:
    """Return what a query reads all of, and why; None where it reads parts.

    Partitions prune what is not compacted. The fields of its own partitions prune `history`, and
    for the local engine the partitions of `changes` do too. LAST_CHANGES is short once it is
    compacted.
    """
    if not workgroup.has_last_changes or not workgroup.is_compacted:
        raw = whole_lake(tables, {**partitions, LAST_CHANGES: ()})
        return f"the whole lake: {raw}" if raw else None
    raw = whole_lake(tables, partitions)
    table = workgroup.table
    fields = (*group_columns(table), sql_name(table.time_line_name))
    compacted = whole_lake(
        tables,
        {
            each.name: (*fields, *(partitions[each.name] if workgroup.emulated else ()))
            for each in lake_tables(table)
        },
    )
    if raw and not workgroup.has_raw:
        raw = None
    if raw and compacted:
        return f"the whole lake: {raw}"
    if raw:
        return f"all that is not compacted yet: {raw}"
    return f"all that is compacted: {compacted}" if compacted else None


def _hidden(
    tables: Sequence[Read],
    root: str,
    part: LakePart,
    partitioning: Partitioning,
    workgroup: Workgroup,
) -> str | None:
    """Return which folders of the part a table does not show, as far as the listing names them.

    The folders are followed from the outermost level to that of the year.
    """
    prefixes = [root]
    for column, level in partitioning.levels.items():
        stored = [
            (prefix, value) for prefix in prefixes for value in workgroup.folders(prefix, level)
        ]
        is_compared = [column in read.compared for read in tables]
        if level == "year":
            years = partitioning.years
            if years is None or (all(is_compared) and not any(part.days)):
                return None
            in_lake = {int(value) for _, value in stored if value.isdecimal()}
            outside = sorted(year for year in in_lake if part.outside(year, years))
            return years_shown(years, outside) if outside else None
        if (value := part.in_path(level)) is not None:
            prefixes = [f"{prefix}{level}={value}/" for prefix in prefixes]
            continue
        shown = partitioning.values(column)
        if shown is None or any(is_compared):
            return None
        if hidden := {value for _, value in stored} - shown:
            return values_shown(level, hidden)
        prefixes = [f"{prefix}{level}={value}/" for prefix, value in stored]
    return None
