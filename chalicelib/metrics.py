"""The transform's metrics: one log line a batch, which CloudWatch turns into metrics.

The line follows the embedded metric format, so no service is called for a metric
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
"""

import time
from collections import Counter
from typing import Any

from chalicelib.answers import Answer, Respond
from chalicelib.logs import log

NAMESPACE = "Sluice"

DIMENSION = "FunctionName"
"""The only dimension: a stack has one transform, and Lambda's own metrics for it use the same one.
Every value of another dimension would be a metric of its own, with its own price."""

RECORDS = {
    "Ok": "RecordsOk",
    "Dropped": "RecordsDropped",
    "ProcessingFailed": "RecordsFailed",
}
"""The metric that counts the records with each result."""


def counting(respond: Respond, function_name: str) -> Respond:
    """Return a function that logs how many records had each result, and then responds."""
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [[DIMENSION]],
        "Metrics": [{"Name": name, "Unit": "Count"} for name in RECORDS.values()],
    }

    def count_and_respond(answers: list[Answer]) -> Any:
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

    return count_and_respond
