"""Reasons for sending a record to the error prefix, and the document that states them.

Codes: https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-logs.html. The
document is shaped as observed on AWS (one JSON document a line, times as epoch ms, `lambdaARN`),
which differs from the page on transformation failures.

AWS documents no code and no error-output-type for failed partitioning. Such records are kept as
they were put, like all failures, under `processing-failed`, the only type AWS lists that an S3
destination without format conversion can have. MetadataExtractionFailed and
ActivePartitionsLimitExceeded are codes users report; InvalidPrefix is this server's own.
"""

import msgspec
from msgspec import Struct

from chalicelib.limits import PREFIX_LENGTH_MAX
from local.firehose.ledger import BufferedRecord

PROCESSING_FAILED_TYPE = "processing-failed"
CONVERSION_FAILED_TYPE = "format-conversion-failed"


class RecordFailure(Struct, frozen=True):
    """A code to match on, and a sentence for people."""

    code: str
    message: str


MISSING_RECORD_ID = RecordFailure(
    "Lambda.MissingRecordId", "The function returned no result for this record id."
)
DUPLICATED_RECORD_ID = RecordFailure(
    "Lambda.DuplicatedRecordId", "The function returned more than one result for this record id."
)
PROCESSING_FAILED = RecordFailure(
    "Lambda.ProcessingFailedStatus", "The function gave this record the status ProcessingFailed."
)
NULL_DATA = RecordFailure(
    "Lambda.InvalidReturnFormat", "The function gave this record the status Ok and no data."
)
NOT_JSON = RecordFailure(
    "Lambda.JsonProcessingException", "The function's response is not a JSON object with records."
)
INVALID_RESULT = RecordFailure(
    "Lambda.FunctionError",
    "The function's response breaks the contract: every record needs a string recordId, a result "
    "of Ok, Dropped or ProcessingFailed, and data in base64.",
)
FUNCTION_ERROR = RecordFailure(
    "Lambda.FunctionError", "The function was invoked and ended in an error."
)
RESPONSE_TOO_LARGE = RecordFailure(
    "Lambda.FunctionError", "The function's response is larger than 6 MB."
)
INVOKE_LIMIT_EXCEEDED = RecordFailure(
    "Lambda.InvokeLimitExceeded", "The invocations of the function are being throttled."
)
INVOKE_ACCESS_DENIED = RecordFailure(
    "Lambda.InvokeAccessDenied", "The function may not be invoked by this stream."
)
FUNCTION_NOT_FOUND = RecordFailure("Lambda.ResourceNotFound", "The function does not exist.")
REQUEST_TIMED_OUT = RecordFailure(
    "Lambda.FunctionRequestTimedOut",
    "The function could not be reached, or did not answer in time.",
)
INVOKE_FAILED = RecordFailure(
    "Lambda.InternalServerError", "The Lambda service refused the invocation."
)

KEYS_NOT_EXTRACTED = RecordFailure(
    "DynamicPartitioning.MetadataExtractionFailed",
    "partitionKeys must have a non-empty string for every key that the prefix names.",
)
NOT_OBJECTS = RecordFailure(
    "DynamicPartitioning.MetadataExtractionFailed",
    "The record is not JSON objects, each on one line, so it cannot be taken apart.",
)
TOO_MANY_PARTITIONS = RecordFailure(
    "DynamicPartitioning.ActivePartitionsLimitExceeded",
    "The record's partition is new, and as many partitions are active as the stream allows.",
)
INVALID_PREFIX = RecordFailure(
    "DynamicPartitioning.InvalidPrefix",
    f"The evaluated prefix is longer than {PREFIX_LENGTH_MAX} characters, or than an object's key "
    "may be.",
)


class CatalogTable(Struct, frozen=True, rename="camel"):
    """The Glue table that records are converted by."""

    catalog_id: str
    database_name: str
    table_name: str
    region: str
    version_id: str


class ConversionFailure(RecordFailure, frozen=True):
    """Why data is not a row of a table."""

    table: CatalogTable


def error_line(
    record: BufferedRecord, failure: RecordFailure, *, attempts: int, ended_ms: int, lambda_arn: str
) -> bytes:
    """Return the document of a failed record, as it was put, with its line end."""
    document = {
        "attemptsMade": attempts,
        "arrivalTimestamp": record.arrived,
        "errorCode": failure.code,
        "errorMessage": failure.message,
        "attemptEndingTimestamp": ended_ms,
        "rawData": record.data,
        "lambdaARN": lambda_arn,
    }
    return msgspec.json.encode(document) + b"\n"


def conversion_error_line(
    record: BufferedRecord, failure: ConversionFailure, data: bytes, *, ended_ms: int
) -> bytes:
    """Return the document of data, as the function returned it, that is not a row of the table.

    Some keys are capitalised
    (https://docs.aws.amazon.com/firehose/latest/dev/record-format-conversion-error-handling.html).
    """
    document = {
        "attemptsMade": 1,
        "arrivalTimestamp": record.arrived,
        "ErrorCode": failure.code,
        "ErrorMessage": failure.message,
        "attemptEndingTimestamp": ended_ms,
        "rawData": data,
        "sequenceNumber": record.id,
        "subSequenceNumber": 0,
        "dataCatalogTable": failure.table,
    }
    return msgspec.json.encode(document) + b"\n"
