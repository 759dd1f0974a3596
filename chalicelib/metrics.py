"""The metrics of the transform and of the feed: one log line a batch, which CloudWatch reads.

The line follows the embedded metric format, so no service is called for a metric
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from chalicelib.answers import Answer, Respond
from chalicelib.logs import log

NAMESPACE = "Sluice"

DIMENSION = "FunctionName"
"""The only dimension: a stack has one of each function, and Lambda's own metrics use the same one.
Every value of another dimension would be a metric of its own, with its own price."""

RECORDS = {
    "Ok": "RecordsOk",
    "Dropped": "RecordsDropped",
    "ProcessingFailed": "RecordsFailed",
}
"""The metric that counts the records with each result."""


ODD_TIMES = "ImplausibleTimes"
"""The metric that counts the records whose event time looks like one in another unit."""

FED = {"put": "ChangesPut", "refused": "ChangesRefused", "kept": "ChangesKept"}
"""The metrics of the feed: the changes that Firehose accepted, those that Lambda is to bring again,
and those that Firehose cannot take, which are kept beside the lake."""

OddTime = Callable[[str, str], None]
"""Called with the recordId of such a record, and the field of its time."""


def counting(respond: Respond, function_name: str) -> Respond:
    """Return a function that logs how many records had each result, and then responds."""

    def count_and_respond(answers: list[Answer]) -> Any:
        results: Counter[str] = Counter([answer.result for answer in answers])
        log(
            "INFO",
            "batch answered",
            _aws=_directive(RECORDS.values()),
            **{DIMENSION: function_name},
            **{name: results[result] for result, name in RECORDS.items()},
        )
        return respond(answers)

    return count_and_respond


def log_odd_time(record_id: str, field: str, **metric: Any) -> None:
    """Log that the event time of a record, which is delivered, looks like one in another unit."""
    log("WARN", "time looks like another unit", recordId=record_id, field=field, **metric)


def counting_odd_times(function_name: str) -> OddTime:
    """Return `log_odd_time` with a metric that counts its calls."""

    def count_and_log(record_id: str, field: str) -> None:
        metric = {"_aws": _directive([ODD_TIMES]), DIMENSION: function_name, ODD_TIMES: 1}
        log_odd_time(record_id, field, **metric)

    return count_and_log


def log_fed(function_name: str, **counts: int) -> None:
    """Log what became of the changes of one batch of the feed, with a metric for each count."""
    names = {FED[name]: count for name, count in counts.items()}
    log("INFO", "batch fed", _aws=_directive(names), **{DIMENSION: function_name}, **names)


def _directive(metrics: Iterable[str]) -> dict[str, Any]:
    """Return the object that makes CloudWatch take these members of a log line for metrics."""
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [[DIMENSION]],
        "Metrics": [{"Name": name, "Unit": "Count"} for name in metrics],
    }
    return {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": [directive]}
