"""The settings of a deployment: one frozen object, read from the CDK context."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from chalicelib.catalog import partition_levels
from chalicelib.change import CHANGE_TYPES
from chalicelib.declaration import Table
from chalicelib.declared import DEFAULT, load
from chalicelib.errors import SchemaError, SluiceError
from chalicelib.limits import (
    BUFFER_MEGABYTES,
    BUFFER_SECONDS,
    MAPPED_RECORDS_MAX,
    MAPPED_SECONDS,
)
from chalicelib.mistakes import layout_errors
from infrastructure import values
from sluice.planning.lint import projection_errors, template_errors, workload_errors
from sluice.planning.proposals import CONTEXT
from sluice.planning.rules import PlanError, annotations, noted, read_value, whole
from sluice.planning.settings import Compaction, Feed, Format, PlanSettings
from sluice.planning.workload import Workload

_MAPPING = "Lambda's bounds with a table's stream"
_FIREHOSE = "Firehose's bounds with dynamic partitioning"


class SettingsError(SluiceError):
    """Settings that cannot be deployed; the message has a line for every one of them."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("\n".join(["The settings cannot be used:", *(f"- {e}" for e in errors)]))
        self.errors = tuple(errors)


@dataclass(frozen=True, slots=True)
class ExistingTable:
    """A table that the stack follows and does not own."""

    name: str
    stream_arn: str
    key_arn: str | None
    """The customer key it is encrypted with, if it is."""

    @property
    def arn(self) -> str:
        """The ARN of the table itself."""
        return self.stream_arn.partition("/stream/")[0]

    @property
    def region(self) -> str:
        """The Region of the table."""
        return self.stream_arn.split(":")[3]

    @property
    def account(self) -> str:
        """The account that owns the table."""
        return self.stream_arn.split(":")[4]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSettings:
    """One deployment of Sluice. Every field may be given as context: `cdk deploy -c stage=prod`."""

    stage: values.Stage = "dev"
    """Names the stack. `prod` keeps its data; every other stage is destroyed whole."""

    target: values.Target = "aws"
    """Where it runs: on AWS, or on the emulator of this machine."""

    schema: values.SchemaFile = DEFAULT
    """The file that declares the table, absolute or from the project's root; `SLUICE_SCHEMA` names
    it too."""

    layout: values.Layout | None = None
    """The partition levels, outermost first, in place of those that the table's declaration has."""

    deletes: values.KeepOrDrop = "keep"
    """Whether the deletion of a record becomes a line of the lake."""

    feed: Feed = "pipe"
    """What brings the changes of the table's stream to Firehose: an EventBridge pipe, each as a
    record, or a function, many packed into one, for a fraction of the price."""

    feed_batch_size: Annotated[int, whole(1, MAPPED_RECORDS_MAX, _MAPPING)] = 1000
    """How many changes the function has at a time, at most. Firehose takes records of up to 500."""

    feed_window_seconds: Annotated[int, whole(*MAPPED_SECONDS, _MAPPING)] = 5
    """How long changes wait for so many; a longer wait packs more of few changes together."""

    format: Format = "json"
    """What the lake's objects are: gzipped lines of JSON, or Parquet. It stays as first deployed:
    the tables read one format only."""

    buffer_seconds: Annotated[int, whole(*BUFFER_SECONDS, _FIREHOSE)] = 60
    """How long Firehose gathers a partition's lines before it writes an object."""

    buffer_megabytes: Annotated[int, whole(*BUFFER_MEGABYTES, _FIREHOSE)] = 128
    """How much Firehose gathers for a partition before it writes an object sooner."""

    error_days: values.DaysUntilDeletion = 90
    """How long objects under `errors/` and `errors-replayed/` are kept."""

    old_version_days: values.DaysUntilDeletion = 30
    """How long an overwritten or deleted object can be restored."""

    log_days: values.LogDays = 30
    """How long logs are kept."""

    sites: values.Sites = ()
    """The values of the layout's first field, such as the sites, so that a query of `changes` may
    leave them out; none: it names them."""

    years: values.Years = (2020, 2039)
    """The first and the last year of event time that queries of `changes` look for."""

    scan_gigabytes: Annotated[int, whole(1, 1_000_000, "as Athena bills what it reads")] = 100
    """How much a query may read before it is stopped."""

    result_days: values.DaysUntilDeletion = 7
    """How long the results of queries are kept."""

    alarm_email: values.EmailAddress | None = None
    """Who is mailed when an alarm goes off and when it is over."""

    table_name: values.TableName | None = None
    """An existing table to follow, in place of one that the stack makes and owns."""

    table_stream_arn: values.StreamArn | None = None
    """The stream of that table; it must carry the new and the old image of each change."""

    table_key_arn: values.KeyArn | None = None
    """The customer key that the existing table is encrypted with, if it is."""

    api: values.OnOrOff | None = None
    """Whether there is an API that writes and reads records. Without the setting there is one,
    unless an existing table is followed, which has its own writers."""

    changes_per_second: Annotated[int, whole(1, 100_000_000, example=10)] | None = None
    """How many changes are expected; settings that would not carry them are refused."""

    change_bytes: values.ItemBytes | None = None
    """How large an item of the table is expected to be."""

    expected_sites: Annotated[int, whole(1, 100_000_000, example=20)] | None = None
    """How many values of the layout's first field, sites for example, the changes are expected to
    have."""

    compaction: Compaction = "off"
    """Whether raw objects move into the Iceberg tables `history` and `current`: `hourly` or `daily`
    by a function, or `manual`, only by `sluice compact`. Once on, do not go back to `off`, with
    which Athena does not see what is compacted and `sluice query` refuses; `manual` ends a
    schedule."""

    operators: values.OperatorPolicies = "none"
    """Whether the stack makes managed policies for who runs `sluice`: docs/security.md has them."""

    @property
    def table(self) -> Table:
        """The declared table, with the layout of this deployment. Raises SchemaError."""
        return _table(self.schema, self.layout)

    @property
    def retains_data(self) -> bool:
        """Whether the data outlives the stack."""
        return self.stage == "prod"

    @property
    def empties_bucket(self) -> bool:
        """Whether the bucket is emptied as the stack is destroyed."""
        return not self.retains_data and self.target == "aws"

    @property
    def stack_name(self) -> str:
        """The name of the CloudFormation stack."""
        return f"Sluice-{self.stage}"

    @property
    def existing_table(self) -> ExistingTable | None:
        """The table to follow, if the stack makes none."""
        if self.table_name is None or self.table_stream_arn is None:
            return None
        return ExistingTable(self.table_name, self.table_stream_arn, self.table_key_arn)

    @property
    def has_api(self) -> bool:
        """Whether the stack has an API."""
        return self.existing_table is None if self.api is None else self.api == "on"

    @property
    def compacts(self) -> bool:
        """Whether the lake has compacted tables, and views of them."""
        return self.compaction != "off"

    @property
    def database_name(self) -> str:
        """The name of the Glue database."""
        return self.stack_name.lower().replace("-", "_")

    @property
    def change_types(self) -> tuple[str, ...]:
        """The kinds of change that reach the lake."""
        return tuple(each for each in CHANGE_TYPES if self.deletes == "keep" or each != "REMOVE")

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> "DeploymentSettings":
        """Return the settings of a CDK context. Raises SettingsError, which has every error.

        The context holds the CDK's own keys too; any other key must be a setting.
        """
        errors: list[str] = []
        wrong: set[str] = set()
        fields: dict[str, Any] = {}
        known = annotations(cls)
        for key, value in context.items():
            if key == "cli-telemetry" or set(key) & set(":@/"):
                continue  # The CDK marks its own keys in this way, all but that one.
            if key not in known:
                errors.append(
                    f"{key!r} is not a setting. The settings are {', '.join(known)}; "
                    f"remove `-c {key}=...` or correct its name."
                )
                continue
            try:
                fields[key] = read_value(key, value, known[key], strict=False)
            except ValueError as error:
                errors.append(f"{error}. Pass for example `-c {key}={_example(cls, key)}`.")
                wrong.add(key)
        settings = cls(**fields)
        for name, declaration_errors in (("schema", _schema_errors), ("layout", _layout_errors)):
            if wrong.isdisjoint({"schema", name}) and (reasons := declaration_errors(settings)):
                errors += reasons
                wrong.add(name)
        for rule, names in _RULES:
            if wrong.isdisjoint(names):
                errors += rule(settings)
        if errors:
            raise SettingsError(errors)
        return settings


def _example(cls: type[DeploymentSettings], name: str) -> object:
    """Return a value that a setting may have, as one would pass it."""
    meta = noted(annotations(cls)[name], Meta)
    if meta and meta.examples:
        return meta.examples[0]
    return next(each.default for each in dataclasses.fields(cls) if each.name == name)


@cache
def _table(schema: Path, layout: tuple[str, ...] | None) -> Table:
    table = load(schema)
    return table if layout is None else table.with_layout(layout)


def _schema_errors(settings: DeploymentSettings) -> list[str]:
    try:
        load(settings.schema)
    except SchemaError as error:
        return [f"schema is {settings.schema}, but {each}" for each in error.errors]
    return []


def _layout_errors(settings: DeploymentSettings) -> list[str]:
    layout = settings.layout
    if layout is None:
        return []
    example = _example(DeploymentSettings, "layout")
    return [
        f"layout is {'/'.join(layout)!r}, but {each}. Pass for example `-c layout={example}`."
        for each in layout_errors(settings.table)
    ]


def _table_has_name_and_stream(settings: DeploymentSettings) -> Iterator[str]:
    names = ("table_name", "table_stream_arn")
    missing = [name for name in names if getattr(settings, name) is None]
    if len(missing) == 1:
        (given,) = set(names) - set(missing)
        yield (
            f"{given} is given without {missing[0]}, but an existing table is attached by both. "
            f"Pass `-c {missing[0]}=...` as well; `aws dynamodb describe-table` shows a table's "
            "LatestStreamArn."
        )


def _key_belongs_to_a_table(settings: DeploymentSettings) -> Iterator[str]:
    if settings.table_key_arn is not None and settings.table_name is None:
        yield (
            "table_key_arn is given without an existing table, but it is the key of one. Pass "
            "`-c table_name=... -c table_stream_arn=...` as well, or leave it out."
        )


def _stream_belongs_to_the_table(settings: DeploymentSettings) -> Iterator[str]:
    table = settings.existing_table
    if table and f":table/{table.name}/stream/" not in table.stream_arn:
        yield (
            f"table_stream_arn is {table.stream_arn!r}, but that is not a stream of the table "
            f"{table.name}. Pass the LatestStreamArn that `aws dynamodb describe-table` shows for "
            "it."
        )


def _sites_have_a_level(settings: DeploymentSettings) -> Iterator[str]:
    table, group = settings.table, settings.table.group
    if settings.sites and (
        group is None or group.attribute is None or group not in partition_levels(table)
    ):
        yield (
            f"sites are given, but the layout {'/'.join(table.layout)} has no level of a field "
            "above the hour to find them by. Leave them out, or add that level."
        )


def _compaction_has_athena(settings: DeploymentSettings) -> Iterator[str]:
    if settings.compacts and settings.target == "local":
        yield (
            f"compaction is {settings.compaction!r}, but the emulator has no Iceberg in Athena. "
            "Leave it out; `sluice compact` compacts a local lake."
        )


def _template_has_no_missing_path(_settings: DeploymentSettings) -> Iterator[str]:
    yield from template_errors()


def _athena_looks_where_firehose_writes(settings: DeploymentSettings) -> Iterator[str]:
    yield from projection_errors(settings.table, settings.sites, settings.years)


def _workload_is_carried(settings: DeploymentSettings) -> Iterator[str]:
    declared = {
        "changes_per_second": settings.changes_per_second,
        "item_bytes": settings.change_bytes,
        "sites": settings.expected_sites,
    }
    workload: dict[str, Any] = {k: value for k, value in declared.items() if value is not None}
    if workload and settings.changes_per_second is None:
        yield (
            "a workload is declared without changes_per_second. Pass `-c changes_per_second=...` "
            "as well, or leave change_bytes and expected_sites out."
        )
    elif workload:
        same = {name: getattr(settings, name) for name in _PLANNED}
        same |= {"table": load(settings.schema), "layout": settings.table.layout}
        same["schema"] = "" if settings.schema == DEFAULT else str(settings.schema)
        try:
            yield from workload_errors(Workload(**workload), PlanSettings(**same))
        except PlanError as error:
            yield f"the declared workload cannot be planned: {error}"


_PLANNED = (*(name for name in CONTEXT if name not in ("schema", "layout")), "scan_gigabytes")
"""The settings that a plan takes from the settings of a deployment."""

_RULES: Sequence[tuple[Callable[[DeploymentSettings], Iterator[str]], tuple[str, ...]]] = (
    (_table_has_name_and_stream, ("table_name", "table_stream_arn")),
    (_key_belongs_to_a_table, ("table_name", "table_key_arn")),
    (_stream_belongs_to_the_table, ("table_name", "table_stream_arn")),
    (_sites_have_a_level, ("schema", "sites", "layout")),
    (_compaction_has_athena, ("compaction", "target")),
    (_template_has_no_missing_path, ()),
    (_athena_looks_where_firehose_writes, ("schema", "layout", "sites", "years")),
    (
        _workload_is_carried,
        ("schema", "layout", "changes_per_second", "change_bytes", "expected_sites", *_PLANNED),
    ),
)
"""The rules that span settings, each with those it reads: it waits until they are right."""
