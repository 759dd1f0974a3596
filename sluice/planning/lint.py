"""Checks of settings before anything is deployed: a sentence for each that cannot work.

The rules of a plan, for a declared workload; and two that hold by how the code is made, but that a
change of the layout, the projection or the template could break.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from types import SimpleNamespace
from typing import Any

from msgspec.structs import fields

from chalicelib.catalog import location, partition_column, partition_levels, projection
from chalicelib.change import INPUT_TEMPLATE, StreamRecord
from chalicelib.declaration import TIME_FORMATS
from chalicelib.declared import declared
from chalicelib.partitions import firehose_prefix, partitioner, path
from chalicelib.schema import EVENT_TIME, LAYOUT, Record
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
    layout: Sequence[str] = LAYOUT,
    sites: Sequence[str] = (),
    years: tuple[int, int] = (2020, 2039),
) -> Iterator[str]:
    """The samples for which Athena does not look into the folder that Firehose writes to."""
    yield from folder_errors(
        layout,
        firehose_prefix(declared().with_layout(layout)),
        location(layout),
        projection(layout, sites, years),
    )


def folder_errors(
    layout: Sequence[str], prefix: str, template: str, properties: Mapping[str, str]
) -> Iterator[str]:
    """The same of Firehose's prefix, and the table's location template and properties."""
    partition = partitioner(declared().with_layout(layout))
    for text, epoch_ms in product(SAMPLE_TEXTS, SAMPLE_TIMES_MS):
        keys = partition(_sample(text, epoch_ms))
        written = _substituted(_PREFIX_KEY, prefix, keys)
        if written != path(keys):
            yield f"Firehose's prefix makes {written} of a record of {path(keys)}"
        columns = {
            partition_column(level): _projected(properties, level, keys[level])
            for level in partition_levels(layout)
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


def _sample(text: str, epoch_ms: int) -> Any:
    """Return a record with this text in each of its fields, and this event time."""
    names = {field.name: text for field in fields(Record)}
    return SimpleNamespace(**(names | {EVENT_TIME: epoch_ms}))


def _projected(properties: Mapping[str, str], level: str, value: str) -> str:
    """Return a projected column's value as Athena spells it: a number with its digits."""
    if level not in TIME_FORMATS:
        return value
    digits = properties.get(f"projection.{partition_column(level)}.digits", "1")
    return str(int(value)).zfill(int(digits))
