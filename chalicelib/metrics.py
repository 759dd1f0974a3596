"""The transform's metrics: one log line a batch, of which CloudWatch makes the metrics by itself.

The line follows the embedded metric format, so that no service is called for a metric
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
"""

import time
from collections import Counter
from typing import Any

from chalicelib.answers import Answer, Response
from chalicelib.logs import log

NAMESPACE = "Sluice"

DIMENSION = "FunctionName"
"""The only dimension: a stack has one transform, and Lambda's own metrics of it go by the same
name. Every value of a further one would be a metric of its own, with its own price."""

RECORDS = {
    "Ok": "RecordsOk",
    "Dropped": "RecordsDropped",
    "ProcessingFailed": "RecordsFailed",
}
"""The metric that counts the records answered with each result."""


def measured(respond: Response, function_name: str) -> Response:
    """The response, which then also tells how many records of a batch had which result."""
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [[DIMENSION]],
        "Metrics": [{"Name": name, "Unit": "Count"} for name in RECORDS.values()],
    }

    def measuring(answers: list[Answer]) -> Any:
        results: Counter[str] = Counter([answer.result for answer in answers])
        log(
            "INFO",
            "batch answered",
            _aws={
                "Timestamp": time.time_ns() // 1_000_000,
                "CloudWatchMetrics": [directive],
            },
            **{DIMENSION: function_name},
            **{name: results[result] for result, name in RECORDS.items()},
        )
        return respond(answers)

    return measuring
