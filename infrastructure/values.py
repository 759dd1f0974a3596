"""The rules of the settings' values, each with an example where its default is none."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from chalicelib.errors import PartitionError
from chalicelib.limits import ITEM_BYTES_MAX
from chalicelib.partitions import encode_value
from sluice.planning.rules import Reader, text, whole

PROJECT = Path(__file__).resolve().parent.parent

Target = Literal["aws", "local"]
KeepOrDrop = Literal["keep", "drop"]
OnOrOff = Literal["on", "off"]
OperatorPolicies = Literal["none", "policies"]

_LogDaysOfTwoYears = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731]
LogDays = Literal[_LogDaysOfTwoYears, 1096, 1827, 2192, 2557, 2922, 3288, 3653]
"""The retentions that CloudWatch Logs has
(https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html)."""


def _read_schema(value: Any) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError("must be the path of a Python file, absolute or from the project's root")
    # `cdk` runs in another folder than the person who names a file.
    return PROJECT / value


def _read_layout(value: Any) -> tuple[str, ...]:
    levels = [each.strip() for each in re.split("[/,]", value)] if isinstance(value, str) else value
    if not isinstance(levels, list | tuple) or not all(isinstance(each, str) for each in levels):
        raise ValueError("must be the names of its levels")
    if not levels:
        raise ValueError("it names no level")
    return tuple(levels)


def _read_sites(value: Any) -> tuple[str, ...]:
    sites = value.split(",") if isinstance(value, str) else value
    if not isinstance(sites, list | tuple) or not all(isinstance(each, str) for each in sites):
        raise ValueError("must be the names of sites")
    if len(set(sites)) != len(sites):
        raise ValueError("names a site twice")
    for site in sites:
        try:
            encode_value("sites", site)
        except PartitionError as error:
            raise ValueError(f"of {site!r}: {error}") from None
    return tuple(sites)


def _read_years(value: Any) -> tuple[int, int]:
    years = re.fullmatch(r"([0-9]{4})-([0-9]{4})", value) if isinstance(value, str) else None
    if not years or not 1970 <= int(years[1]) <= int(years[2]):
        raise ValueError("must be the first and the last year, from 1970 to 9999")
    return int(years[1]), int(years[2])


_TABLE_NAME = r"[a-zA-Z0-9_.-]{3,255}"
_ARN = r"arn:aws[a-z-]*:%s:[a-z0-9-]+:[0-9]{12}:%s"

Stage = Annotated[
    str,
    text(
        r"[a-z][a-z0-9-]{0,30}[a-z0-9]|[a-z]",
        "1-32 lower-case letters, digits and inner hyphens, beginning with a letter, because it is "
        "part of names",
    ),
]
SchemaFile = Annotated[Path, Reader(_read_schema), Meta(examples=["tables/shop.py"])]
Layout = Annotated[tuple[str, ...], Reader(_read_layout), Meta(examples=["year/month/day"])]
Sites = Annotated[tuple[str, ...], Reader(_read_sites), Meta(examples=["1,2"])]
Years = Annotated[tuple[int, int], Reader(_read_years), Meta(examples=["2020-2039"])]
EmailAddress = Annotated[
    str, text(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+", "an e-mail address", "operator@example.com")
]
TableName = Annotated[
    str,
    text(
        _TABLE_NAME,
        "the name of a table: 3-255 letters, digits, hyphens, dots or underscores",
        "records",
    ),
]
StreamArn = Annotated[
    str,
    text(
        _ARN % ("dynamodb", rf"table/{_TABLE_NAME}/stream/[0-9T:.-]+"),
        "the ARN of a table's stream",
        "arn:aws:dynamodb:eu-west-1:111122223333:table/records/stream/2026-01-31T12:00:00.000",
    ),
]
KeyArn = Annotated[
    str,
    text(
        _ARN % ("kms", "key/[a-zA-Z0-9-]+"),
        "the ARN of a key",
        "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd",
    ),
]
ItemBytes = Annotated[int, whole(1, ITEM_BYTES_MAX, "DynamoDB's largest item", example=500)]
DaysUntilDeletion = Annotated[int, whole(1, 3650, "days until S3 deletes the object")]
