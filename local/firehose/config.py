"""The configuration of a deployed stream: read once, and refused when this server cannot do it.

The emulator's description leaves out FileExtension, CustomTimeZone and S3BackupDescription, so
that a stream which sets these is not refused; they have no effect here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.limits import BUFFER_MEGABYTES, BUFFER_SECONDS
from local.firehose import conversion, prefix
from local.firehose.conversion import ColumnTypes, Conversion
from local.firehose.prefix import Prefix, PrefixError
from sluice.errors import OperationError

MEBIBYTE = 1024 * 1024

_KEY_NEEDED = (
    "name a partition key, as dynamic partitioning asks for: !{partitionKeyFromLambda:key}"
)


class ConfigError(OperationError):
    """A stream that this server cannot run; the message lists every reason."""

    def __init__(self, stream: str, reasons: Sequence[str]) -> None:
        super().__init__(
            f"delivery stream {stream!r} cannot be run here:\n"
            + "\n".join(f"  - {reason}" for reason in reasons)
        )


@dataclass(frozen=True, slots=True)
class Buffering:
    """The size and the age at which a buffer is delivered, whichever comes first."""

    size_mb: float
    seconds: float

    @property
    def size_bytes(self) -> int:
        """The size in bytes."""
        return int(self.size_mb * MEBIBYTE)


@dataclass(frozen=True, slots=True)
class ProcessorConfig:
    """The Lambda processor: its function, its retries, and its buffer."""

    lambda_arn: str
    retries: int
    buffering: Buffering

    @property
    def qualified_arn(self) -> str:
        """The ARN with a version or alias, `$LATEST` when it names none."""
        return self.lambda_arn if self.lambda_arn.count(":") > 6 else f"{self.lambda_arn}:$LATEST"


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """A delivery stream as deployed."""

    name: str
    arn: str
    region: str
    version: str
    created: str
    encrypted: bool
    bucket: str
    kms_key_arn: str | None
    prefix: Prefix
    error_prefix: Prefix
    buffering: Buffering
    processor: ProcessorConfig
    deaggregates: bool
    """Whether records are taken apart into their JSON objects before the function sees them."""
    conversion: Conversion | None
    """The format that JSON lines are converted to; they are gzipped when it is None."""
    description: Mapping[str, Any]
    """The DeliveryStreamDescription as AWS writes it on the wire."""


def read(description: Mapping[str, Any], column_types: ColumnTypes) -> StreamConfig:
    """Read the configuration in a boto3 DeliveryStreamDescription. Raises ConfigError.

    Records are converted by the columns that the table has now.
    """
    reasons: list[str] = []
    name = description["DeliveryStreamName"]
    if description["DeliveryStreamType"] != "DirectPut":
        reasons.append(f"its type is {description['DeliveryStreamType']}; only DirectPut is known")
    destination = description["Destinations"][0] if description["Destinations"] else {}
    s3 = destination.get("ExtendedS3DestinationDescription")
    if s3 is None:
        raise ConfigError(name, [*reasons, "it has no extended S3 destination"])
    reasons += _unsupported(s3)
    data_prefix, error_prefix = _prefixes(s3, reasons)
    processors = _processors(s3, reasons)
    processor = _processor(processors, reasons)
    buffering = _buffering(s3, reasons)
    converted = _conversion(s3, column_types, reasons)
    deaggregates = _deaggregates(processors, reasons)
    if reasons or processor is None:
        raise ConfigError(name, reasons)
    encryption = s3.get("EncryptionConfiguration", {}).get("KMSEncryptionConfig", {})
    stream_encryption = description.get("DeliveryStreamEncryptionConfiguration", {})
    wire = {key: _wire_value(value) for key, value in description.items()}
    return StreamConfig(
        name=name,
        arn=description["DeliveryStreamARN"],
        region=description["DeliveryStreamARN"].split(":")[3],
        version=description["VersionId"],
        created=str(wire["CreateTimestamp"]),
        encrypted=stream_encryption.get("Status") == "ENABLED",
        bucket=s3["BucketARN"].rpartition(":")[2],
        kms_key_arn=encryption.get("AWSKMSKeyARN"),
        prefix=data_prefix,
        error_prefix=error_prefix,
        buffering=buffering,
        processor=processor,
        deaggregates=deaggregates,
        conversion=converted,
        description=wire,
    )


def _wire_value(value: Any) -> Any:
    return value.timestamp() if isinstance(value, datetime) else value


def _unsupported(s3: Mapping[str, Any]) -> list[str]:
    reasons = []
    compression = s3.get("CompressionFormat", "UNCOMPRESSED")
    if _converts(s3):
        if compression != "UNCOMPRESSED":
            reasons.append(f"CompressionFormat is {compression}; converted records take none")
    elif compression != "GZIP":
        reasons.append(f"CompressionFormat is {compression}; only GZIP is written here")
    if s3.get("S3BackupMode", "Disabled") != "Disabled":
        reasons.append("S3BackupMode is Enabled; source records are not backed up here")
    if not s3.get("DynamicPartitioningConfiguration", {}).get("Enabled"):
        reasons.append("DynamicPartitioningConfiguration is not enabled; it has to be")
    reasons += [
        f"{option} is set; it is not known here"
        for option in ("FileExtension", "CustomTimeZone")
        if s3.get(option)
    ]
    return reasons


def _converts(s3: Mapping[str, Any]) -> bool:
    configuration = s3.get("DataFormatConversionConfiguration")
    return configuration is not None and configuration.get("Enabled", True)


def _conversion(
    s3: Mapping[str, Any], column_types: ColumnTypes, reasons: list[str]
) -> Conversion | None:
    if not _converts(s3):
        return None
    return conversion.read(s3["DataFormatConversionConfiguration"], column_types, reasons)


def _prefixes(s3: Mapping[str, Any], reasons: list[str]) -> list[Prefix]:
    """Return the prefixes of data and of errors."""
    prefixes = []
    for member, for_errors in (("Prefix", False), ("ErrorOutputPrefix", True)):
        try:
            parsed = prefix.parse(s3.get(member) or "")
        except PrefixError as error:
            reasons.append(f"{member}: {error}")
            parsed = Prefix("")
        else:
            if bool(parsed.keys) is for_errors:
                rule = "not name partition keys" if for_errors else _KEY_NEEDED
                reasons.append(f"{member} must {rule}")
            if parsed.has_error_type is not for_errors:
                rule = "contain" if for_errors else "not contain"
                reasons.append(f"{member} must {rule} !{{firehose:error-output-type}}")
        prefixes.append(parsed)
    return prefixes


def _processors(s3: Mapping[str, Any], reasons: list[str]) -> Mapping[str, list[Mapping[str, str]]]:
    """Return the parameters of the processors that are known here, by type."""
    processing = s3.get("ProcessingConfiguration", {})
    processors: dict[str, list[Mapping[str, str]]] = {"Lambda": [], "RecordDeAggregation": []}
    for processor in processing.get("Processors", []) if processing.get("Enabled") else []:
        if (kind := processor["Type"]) not in processors:
            reasons.append(f"processor {kind} is not known; only {' and '.join(processors)} are")
            continue
        parameters = processor.get("Parameters", [])
        processors[kind].append(
            {each["ParameterName"]: each["ParameterValue"] for each in parameters}
        )
    return processors


def _processor(
    processors: Mapping[str, list[Mapping[str, str]]], reasons: list[str]
) -> ProcessorConfig | None:
    lambdas = processors["Lambda"]
    if len(lambdas) != 1:
        reasons.append(f"it has {len(lambdas)} Lambda processors; it has to have one")
        return None
    (parameters,) = lambdas
    if "LambdaArn" not in parameters:
        reasons.append("the Lambda processor has no LambdaArn")
    return ProcessorConfig(
        lambda_arn=parameters.get("LambdaArn", ""),
        retries=int(_number(parameters, "NumberOfRetries", "3", 0, 300, reasons)),
        buffering=Buffering(
            _number(parameters, "BufferSizeInMBs", "1", 0.2, 3, reasons),
            _number(parameters, "BufferIntervalInSeconds", "60", 0, 900, reasons),
        ),
    )


def _deaggregates(processors: Mapping[str, list[Mapping[str, str]]], reasons: list[str]) -> bool:
    """Return whether records are taken apart, which is done here by JSON objects only."""
    for parameters in processors["RecordDeAggregation"]:
        if (kind := parameters.get("SubRecordType")) != "JSON":
            reasons.append(f"SubRecordType is {kind}; records are taken apart as JSON only")
    return bool(processors["RecordDeAggregation"])


def _buffering(s3: Mapping[str, Any], reasons: list[str]) -> Buffering:
    hints = s3.get("BufferingHints", {})
    return Buffering(
        _number(hints, "SizeInMBs", "128", *BUFFER_MEGABYTES, reasons),
        _number(hints, "IntervalInSeconds", "300", *BUFFER_SECONDS, reasons),
    )


def _number(
    parameters: Mapping[str, Any],
    name: str,
    default: str,
    low: float,
    high: float,
    reasons: list[str],
) -> float:
    text = parameters.get(name, default)
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not low <= value <= high:
        reasons.append(f"{name} is {text}; it must be a number from {low} to {high}")
    return value
