"""A peer: the same lines and partition keys, through AWS Lambda Powertools' Firehose classes."""

from typing import Any

from aws_lambda_powertools.utilities.data_classes import event_source
from aws_lambda_powertools.utilities.data_classes.kinesis_firehose_event import (
    KinesisFirehoseDataTransformationRecordMetadata,
    KinesisFirehoseDataTransformationResponse,
    KinesisFirehoseEvent,
)
from aws_lambda_powertools.utilities.serialization import base64_from_str

from checks.benchmarks.standard_library import line_and_keys


@event_source(data_class=KinesisFirehoseEvent)
def handler(event: KinesisFirehoseEvent, _context: Any) -> dict[str, Any]:
    """As the documentation of AWS Lambda Powertools for Python shows it."""
    result = KinesisFirehoseDataTransformationResponse()
    for record in event.records:
        try:
            line, keys = line_and_keys(record.data_as_json)
        except (ValueError, KeyError, TypeError):
            result.add_record(record.build_data_transformation_response("ProcessingFailed"))
            continue
        answer = record.build_data_transformation_response("Ok", data=base64_from_str(line))
        answer.metadata = KinesisFirehoseDataTransformationRecordMetadata(partition_keys=keys)
        result.add_record(answer)
    return result.asdict()
