"""What may differ between two deployments: one frozen object, read from the CDK context."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from chalicelib.catalog import partition_columns, partition_levels
from chalicelib.change import CHANGE_TYPES
from chalicelib.partitions import PartitionError, encode_value, layout_errors
from chalicelib.schema import LAYOUT, SITE
from sluice.planning.lint import projection_errors, template_errors, workload_errors
from sluice.planning.settings import (
    BUFFER_MEGABYTES,
    BUFFER_SECONDS,
    PlanSettings,
    UnplannableError,
)
from sluice.planning.workload import ITEM_BYTES_MAX, Workload

Target = Literal["aws", "local"]
KeepOrDrop = Literal["keep", "drop"]
Format = Literal["json", "parquet"]

LOG_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""The retentions CloudWatch Logs knows
(https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html)."""


class SettingsError(ValueError):
    """PlanSettings that cannot be deployed; the message has a line for every one of them."""

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
        """Where the table is."""
        return self.stream_arn.split(":")[3]

    @property
    def account(self) -> str:
        """Whose the table is."""
        return self.stream_arn.split(":")[4]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSettings:
    """One deployment of Sluice. Every field may be given as context: `cdk deploy -c stage=prod`."""

    stage: str = "dev"
    """Names the stack. `prod` keeps its data; every other stage is destroyed whole."""

    target: Target = "aws"
    """Where it runs: on AWS, or on the emulator of this machine."""

    layout: tuple[str, ...] = LAYOUT
    """The partition levels, outermost first."""

    deletes: KeepOrDrop = "keep"
    """Whether the deletion of a record becomes a line of the lake."""

    undeclared: KeepOrDrop = "keep"
    """Whether attributes the schema does not declare are kept in the line's `extra`."""

    format: Format = "json"
    """What the lake's objects are: gzipped lines of JSON, or Parquet. It stays as first deployed:
    the tables read one format alone."""

    buffer_seconds: int = 60
    """How long Firehose gathers a partition's lines before it writes an object."""

    buffer_megabytes: int = 128
    """How much Firehose gathers for a partition before it writes an object sooner."""

    error_days: int = 90
    """How long objects under `errors/` and `errors-replayed/` are kept."""

    old_version_days: int = 30
    """How long an overwritten or deleted object can be restored."""

    log_days: int = 30
    """How long logs are kept."""

    sites: tuple[str, ...] = ()
    """The sites there are, so that a query of `changes` may leave them out; none: it names them."""

    years: tuple[int, int] = (2020, 2039)
    """The first and the last year of event time that queries of `changes` look for."""

    scan_gigabytes: int = 100
    """How much a query may read before it is stopped."""

    result_days: int = 7
    """How long the results of queries are kept."""

    alarm_email: str | None = None
    """Who is mailed when an alarm goes off and when it is over."""

    table_name: str | None = None
    """An existing table to follow, in place of one that the stack makes and owns."""

    table_stream_arn: str | None = None
    """The stream of that table; it must carry the new and the old image of each change."""

    table_key_arn: str | None = None
    """The customer key that the existing table is encrypted with, if it is."""

    changes_per_second: int | None = None
    """How many changes are expected; settings that would not carry them are refused."""

    change_bytes: int | None = None
    """How large an item of the table is expected to be."""

    expected_sites: int | None = None
    """How many sites the changes are expected to belong to."""

    @property
    def retains_data(self) -> bool:
        """Whether the data outlives the stack."""
        return self.stage == "prod"

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
    def change_types(self) -> tuple[str, ...]:
        """The kinds of change that reach the lake."""
        return tuple(each for each in CHANGE_TYPES if self.deletes == "keep" or each != "REMOVE")

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> "DeploymentSettings":
        """The settings a CDK context gives. Raises SettingsError, which names every wrong value.

        The context holds the CDK's own keys too; any other key must be a setting.
        """
        errors = []
        values: dict[str, Any] = {}
        for key, value in context.items():
            if key == "cli-telemetry" or set(key) & set(":@/"):
                continue  # The CDK marks its own keys in this way, all but that one.
            if key not in _READERS:
                errors.append(
                    f"{key!r} is not a setting. The settings are {', '.join(_READERS)}; "
                    f"remove `-c {key}=...` or correct its name."
                )
                continue
            try:
                values[key] = _READERS[key](value)
            except ValueError as error:
                errors.append(f"{key} is {value!r}, but {error}")
        if not errors:
            errors += _table_errors(
                *(values.get(key) for key in ("table_name", "table_stream_arn", "table_key_arn"))
            )
        if values.get("sites") and SITE not in partition_levels(values.get("layout", LAYOUT)):
            errors.append(
                f"sites are given, but the layout has no level {SITE} above the hour to find them "
                "by. Leave them out, or add that level."
            )
        if errors:
            raise SettingsError(errors)
        settings = cls(**values)
        if errors := settings.lint():
            raise SettingsError(errors)
        return settings

    def lint(self) -> list[str]:
        """What would not work once deployed: for the declared workload, and for any."""
        errors = [*template_errors(), *projection_errors(self.layout, self.sites, self.years)]
        declared = {
            "changes_per_second": self.changes_per_second,
            "item_bytes": self.change_bytes,
            "sites": self.expected_sites,
        }
        given = {name: value for name, value in declared.items() if value is not None}
        if not given:
            return errors
        if self.changes_per_second is None:
            return [
                *errors,
                "a workload is declared without changes_per_second. Pass "
                "`-c changes_per_second=...` as well, or leave change_bytes and expected_sites "
                "out.",
            ]
        try:
            planned = PlanSettings(
                layout=self.layout,
                buffer_seconds=self.buffer_seconds,
                buffer_megabytes=self.buffer_megabytes,
                format=self.format,
                scan_gigabytes=self.scan_gigabytes,
            )
            return [*errors, *workload_errors(Workload(**given), planned)]
        except UnplannableError as error:
            return [*errors, f"the declared workload cannot be planned: {error}"]


def _stage(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z][a-z0-9-]{0,30}[a-z0-9]|[a-z]", value):
        raise ValueError(
            "must be 1-32 lower-case letters, digits and inner hyphens, beginning with a letter, "
            "because it is part of names. Pass for example `-c stage=dev`."
        )
    return value


def _choice(choices: tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}. Pass one of these.")
        return str(value)

    return read


def _whole_number(low: int, high: int, reason: str) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        text = str(value)
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError(
                f"must be a whole number from {low} to {high}: {reason}. Pass one in that range."
            )
        return int(text)

    return read


def _log_days(value: Any) -> int:
    if str(value) not in map(str, LOG_RETENTION_DAYS):
        raise ValueError(
            "must be a retention CloudWatch Logs knows. "
            f"Pass one of {', '.join(map(str, LOG_RETENTION_DAYS))}."
        )
    return int(value)


def _layout(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        levels = tuple(level.strip() for level in re.split("[/,]", value))
    elif isinstance(value, list | tuple) and all(isinstance(level, str) for level in value):
        levels = tuple(value)
    else:
        raise ValueError(
            "must be the names of its levels. Pass for example `-c layout=siteId/year`."
        )
    if errors := layout_errors(levels):
        raise ValueError(
            f"{'; '.join(errors)}. Pass for example `-c layout={'/'.join(LAYOUT)}`, "
            "or leave it out for just that."
        )
    try:
        partition_columns(levels)
    except TypeError as error:
        raise ValueError(f"{error}.") from None
    return levels


def _sites(value: Any) -> tuple[str, ...]:
    sites = tuple(value.split(",")) if isinstance(value, str) else value
    if not isinstance(sites, list | tuple) or not all(isinstance(site, str) for site in sites):
        raise ValueError("must be the names of sites. Pass for example `-c sites=1,2`.")
    if len(set(sites)) != len(sites):
        raise ValueError("it names a site twice. Pass each once.")
    for site in sites:
        try:
            encode_value(SITE, site)
        except PartitionError as error:
            raise ValueError(f"of {site!r}: {error}. Pass for example `-c sites=1,2`.") from None
    return tuple(sites)


def _years(value: Any) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{4})-([0-9]{4})", value) if isinstance(value, str) else None
    if not found or not 1970 <= int(found[1]) <= int(found[2]):
        raise ValueError(
            "must be the first and the last year, from 1970 to 9999. "
            "Pass for example `-c years=2020-2039`."
        )
    return int(found[1]), int(found[2])


def _text(pattern: str, rule: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise ValueError(f"must be {rule}.")
        return value

    return read


def _table_errors(name: str | None, stream_arn: str | None, key_arn: str | None) -> list[str]:
    """What is wrong with the settings of an existing table taken together."""
    if (name is None) != (stream_arn is None):
        given, missing = ("table_name", "table_stream_arn")[:: 1 if name else -1]
        return [
            f"{given} is given without {missing}, but an existing table is attached by both. "
            f"Pass `-c {missing}=...` as well; `aws dynamodb describe-table` shows a table's "
            "LatestStreamArn."
        ]
    if key_arn is not None and name is None:
        return [
            "table_key_arn is given without an existing table, but it is the key of one. Pass "
            "`-c table_name=... -c table_stream_arn=...` as well, or leave it out."
        ]
    if name is not None and stream_arn is not None and f":table/{name}/stream/" not in stream_arn:
        return [
            f"table_stream_arn is {stream_arn!r}, but that is no stream of the table {name}. Pass "
            "the LatestStreamArn that `aws dynamodb describe-table` shows for it."
        ]
    return []


_TABLE_NAME = r"[a-zA-Z0-9_.-]{3,255}"
_ARN = r"arn:aws[a-z-]*:%s:[a-z0-9-]+:[0-9]{12}:%s"
_FIREHOSE = "Firehose's bounds with dynamic partitioning"
_EXPIRY = "days until S3 deletes the object"
_READERS: Mapping[str, Callable[[Any], Any]] = {
    "stage": _stage,
    "target": _choice(get_args(Target)),
    "layout": _layout,
    "deletes": _choice(get_args(KeepOrDrop)),
    "undeclared": _choice(get_args(KeepOrDrop)),
    "format": _choice(get_args(Format)),
    "buffer_seconds": _whole_number(*BUFFER_SECONDS, _FIREHOSE),
    "buffer_megabytes": _whole_number(*BUFFER_MEGABYTES, _FIREHOSE),
    "error_days": _whole_number(1, 3650, _EXPIRY),
    "old_version_days": _whole_number(1, 3650, _EXPIRY),
    "log_days": _log_days,
    "sites": _sites,
    "years": _years,
    "scan_gigabytes": _whole_number(1, 1_000_000, "Athena bills what it reads"),
    "result_days": _whole_number(1, 3650, _EXPIRY),
    "alarm_email": _text(
        r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+", "an e-mail address, such as operator@example.com"
    ),
    "table_name": _text(
        _TABLE_NAME, "the name of a table: 3-255 letters, digits, hyphens, dots or underscores"
    ),
    "table_stream_arn": _text(
        _ARN % ("dynamodb", rf"table/{_TABLE_NAME}/stream/[0-9T:.-]+"),
        "the ARN of a table's stream, such as "
        "arn:aws:dynamodb:eu-west-1:111122223333:table/records/stream/2026-01-31T12:00:00.000",
    ),
    "table_key_arn": _text(
        _ARN % ("kms", "key/[a-zA-Z0-9-]+"),
        "the ARN of a key, such as arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd",
    ),
    "changes_per_second": _whole_number(1, 100_000_000, "changes of the table"),
    "change_bytes": _whole_number(1, ITEM_BYTES_MAX, "DynamoDB's largest item"),
    "expected_sites": _whole_number(1, 100_000_000, "sites that records belong to"),
}
