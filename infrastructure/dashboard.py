"""The dashboard: the chain as a change travels it, each metric with the limit it is watched by."""

from collections.abc import Sequence

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infrastructure.alarms import KEY_ERRORS, Watch
from infrastructure.metrics import Metrics, PipeNames
from infrastructure.settings import DeploymentSettings

COLUMNS = 24
"""The width of a dashboard."""


def graphs(metrics: Metrics) -> dict[str, list[cloudwatch.Metric]]:
    """Return the metrics of each graph by its title, in the order of travel."""
    delivery, transform = metrics.delivery, metrics.transform
    series = {
        "API: requests": metrics.api(("Count", "Sum"), ("4XXError", "Sum"), ("5XXError", "Sum")),
        "API: latency": metrics.api(("Latency", "p50"), ("Latency", "p99")),
        "Table: writes": [
            metrics.table("ConsumedWriteCapacityUnits"),
            metrics.table("WriteThrottleEvents"),
        ],
        **(_of_the_pipe(metrics, metrics.pipe) if metrics.pipe else _of_the_function(metrics)),
        "Transform: records": [
            metrics.records("Ok"),
            metrics.records("Dropped"),
            metrics.records("ProcessingFailed"),
            metrics.odd_times(),
        ],
        "Transform: duration": [transform("Duration", "Maximum")],
        "Transform: trouble": [transform("Errors"), transform("Throttles")],
        "Firehose: records": [delivery("IncomingRecords"), delivery("ThrottledRecords")],
        "Firehose: open partitions": [
            delivery("PartitionCount", "Maximum"),
            delivery("ActivePartitionsLimit", "Maximum"),
            delivery("PartitionCountExceeded", "Maximum"),
        ],
        "Firehose: key": [delivery(name) for name in KEY_ERRORS],
        "Lake: age of what waits": [delivery("DeliveryToS3.DataFreshness", "Maximum")],
        "Lake: objects": [delivery("DeliveryToS3.ObjectCount"), metrics.error_writes()],
        "Lake: success of writes": [delivery("DeliveryToS3.Success", "Average")],
    }
    return {title: metrics for title, metrics in series.items() if metrics}


def _of_the_pipe(metrics: Metrics, names: PipeNames) -> dict[str, list[cloudwatch.Metric]]:
    pipe = metrics.feed
    return {
        "Pipe: changes": [pipe("Invocations"), pipe("EventCount")],
        "Pipe: trouble": [
            pipe("ExecutionFailed"),
            pipe("ExecutionPartiallyFailed"),
            pipe("ExecutionThrottled"),
            pipe("ExecutionTimeout"),
            pipe("TargetStageFailed"),
            pipe("TargetStagePartiallyFailed"),
        ],
        "Pipe: dead letters": [metrics.dead_letters(names.dead_letters)],
    }


def _of_the_function(metrics: Metrics) -> dict[str, list[cloudwatch.Metric]]:
    feed = metrics.feed
    return {
        "Feed: changes": [feed("Invocations"), metrics.fed("put")],
        "Feed: trouble": [feed("Errors"), feed("Throttles"), metrics.fed("refused")],
        "Feed: age of what waits": [feed("IteratorAge", "Maximum")],
        "Feed: given up": [
            metrics.fed("kept"),
            metrics.feed_failures(),
            feed("DestinationDeliveryFailures"),
        ],
    }


class Dashboard(Construct):
    """One page, named after the stack."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: DeploymentSettings,
        metrics: Metrics,
        watches: Sequence[Watch],
        alarms: Sequence[cloudwatch.IAlarm],
    ) -> None:
        super().__init__(scope, id)
        self.dashboard = cloudwatch.Dashboard(self, "Dashboard", dashboard_name=settings.stack_name)
        self.dashboard.add_widgets(
            cloudwatch.AlarmStatusWidget(title="Alarms", alarms=alarms, width=COLUMNS)
        )
        self.dashboard.add_widgets(
            *(_graph(title, series, watches) for title, series in graphs(metrics).items())
        )


def _graph(
    title: str, series: list[cloudwatch.Metric], watches: Sequence[Watch]
) -> cloudwatch.GraphWidget:
    names = {metric.metric_name for metric in series}
    return cloudwatch.GraphWidget(
        title=title,
        width=COLUMNS // 3,
        left=series,
        left_annotations=[
            cloudwatch.HorizontalAnnotation(value=watch.limit, label=watch.name)
            for watch in watches
            if watch.limit
            and isinstance(watch.metric, cloudwatch.Metric)
            and watch.metric.metric_name in names
        ],
    )
