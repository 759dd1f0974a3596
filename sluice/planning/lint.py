"""Checks of settings before anything is deployed: a sentence for each that cannot work.

The rules of a plan, for a declared workload; and two that hold by how the code is made, but that a
change of the layout, the projection or the template could break.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from msgspec.structs import fields

from chalicelib.catalog import lake_tables, location, partition_column, partition_levels, projection
from chalicelib.change import INPUT_TEMPLATE, StreamRecord
from chalicelib.declaration import Level, Table
from chalicelib.lines import line_member, line_types
from chalicelib.partitions import firehose_prefix, partitioner, path
from sluice.event import template_paths
from sluice.planning.findings import check_plan
from sluice.planning.plan import make_plan
from sluice.planning.proposals import propose
from sluice.planning.settings import PlanSettings
from sluice.planning.workload import Workload

ALWAYS_THERE = frozenset({"eventID", "eventName", "eventVersion", "eventSource", "awsRegion"}) | {
    "dynamodb",
    "eventSourceARN",
}
"""The members of every record of a table's stream; `userIdentity` is not among them
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-dynamodb.html)."""

SAMPLE_TIMES_MS = (1_767_225_600_000, 1_783_085_045_678)
"""The beginning of a year, and a moment whose parts all differ."""

SAMPLE_TEXTS = ("2", "a/b=c %")
"""A plain value, and one that the path must encode."""

_PREFIX_KEY = re.compile(r"!\{partitionKeyFromLambda:(\w+)\}")
_COLUMN = re.compile(r"\$\{(\w+)\}")


def workload_errors(workload: Workload, settings: PlanSettings) -> Iterator[str]:
    """Reasons for refusing the workload, each with what passes, where anything does."""
    plan = make_plan(workload, settings)
    findings = check_plan(plan)
    refused = [each for each in findings if each.severity == "refuse"]
    if not refused:
        return
    proposals = "; or ".join(
        f"{each.what} (`{each.command}`; `{each.deployment}`)" for each in propose(plan, findings)
    )
    remedy = f"This passes: {proposals}" if proposals else "docs/scale.md names what carries it"
    for each in refused:
        yield f"with the declared workload, {each.message} ({each.source}). {remedy}."


def template_errors(template: str = INPUT_TEMPLATE) -> Iterator[str]:
    """The paths of the pipe's template that a change may lack, and that its reader would miss.

    Pipes puts "" in place of a missing path, which no reader can distinguish from the value "".
    """
    optional = {field.encode_name for field in fields(StreamRecord) if not field.required}
    for path_name in template_paths(template):
        if path_name not in ALWAYS_THERE | optional:
            yield (
                f"the pipe's template names <$.{path_name}>, which a change may lack; Pipes would "
                "put an empty text there. Pass the whole object above it, and read it in "
                "chalicelib/change.py"
            )


def projection_errors(
    table: Table, sites: Sequence[str] = (), years: tuple[int, int] = (2020, 2039)
) -> Iterator[str]:
    """The samples for which Athena does not look into the folder that Firehose writes to."""
    prefix = firehose_prefix(table)
    for each in lake_tables(table):
        if each.is_partitioned:
            properties = projection(table, sites, years, each.kind)
            template = location(table, each.kind)
            yield from folder_errors(table, prefix, template, properties, each.kind)


def folder_errors(
    table: Table,
    prefix: str,
    template: str,
    properties: Mapping[str, str],
    kind: str | None = None,
) -> Iterator[str]:
    """The same of Firehose's prefix, and the location template and properties of a kind's table."""
    partition = partitioner(table)
    for sample in _samples(table, kind):
        keys = partition(sample)
        written = _substituted(_PREFIX_KEY, prefix, keys)
        if written != path(keys):
            yield f"Firehose's prefix makes {written} of a record of {path(keys)}"
        columns = {
            partition_column(level): _projected(properties, level, keys[level.name])
            for level in partition_levels(table)
        }
        searched = _substituted(_COLUMN, template, columns)
        if not written.startswith(searched):
            yield (
                f"Athena would look into {searched} for a record that Firehose writes to "
                f"{written}; let chalicelib/catalog.py follow chalicelib/partitions.py"
            )


def _substituted(variable: re.Pattern[str], template: str, values: Mapping[str, str]) -> str:
    """Return a template with its variables replaced by their values, unknown ones kept."""
    return variable.sub(lambda name: values.get(name[1], name[0]), template)


def _samples(table: Table, kind: str | None) -> Iterator[Any]:
    """Yield lines of a kind, or of each, with a sample text in each field, and a sample time."""
    kinds = [each for each in line_types(table) if kind in (None, each.shape.kind)]
    for line_type, text, epoch_ms in product(kinds, SAMPLE_TEXTS, SAMPLE_TIMES_MS):
        line: Any = line_type.type()
        for field in line_type.fields:
            setattr(line, line_member(field), text)
        time = line_member(table.time_field) if table.time_field else table.time_line_name
        setattr(line, time, epoch_ms)
        yield line


def _projected(properties: Mapping[str, str], level: Level, value: str) -> str:
    """Return a projected column's value as Athena spells it: a number with its digits."""
    if not level.is_time:
        return value
    digits = properties.get(f"projection.{partition_column(level)}.digits", "1")
    return str(int(value)).zfill(int(digits))
