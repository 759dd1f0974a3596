"""The metrics that one deployment publishes in CloudWatch, under the names that AWS documents."""

from dataclasses import dataclass
from typing import NamedTuple

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from chalicelib.metrics import DIMENSION, FED, NAMESPACE, ODD_TIMES, RECORDS
from infrastructure.lake import ERRORS_FILTER, FEED_FAILURES_FILTER

PERIOD = Duration.minutes(5)


def _metric(namespace: str, name: str, statistic: str, **dimensions: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        statistic=statistic,
        dimensions_map=dimensions,
        period=PERIOD,
    )


class PipeNames(NamedTuple):
    """By which CloudWatch distinguishes a pipe, and the queue of its dead letters."""

    pipe: str
    dead_letters: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """The metrics of the parts that have these names."""

    table_name: str
    pipe: PipeNames | None
    """The names of the pipe and of its queue, if a pipe feeds the delivery stream."""
    feed_name: str | None
    """The name of the function that does, in place of a pipe."""
    stream_name: str
    transform_name: str
    compact_name: str | None
    """The name of the function that compacts, if there is one."""
    bucket_name: str
    api_stage: tuple[str, str] | None
    """The names of the API and of its stage, if there is one."""

    def table(self, name: str, statistic: str = "Sum") -> cloudwatch.Metric:
        """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html."""
        return _metric("AWS/DynamoDB", name, statistic, TableName=self.table_name)

    def feed(self, name: str, statistic: str = "Sum") -> cloudwatch.Metric:
        """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-monitoring.html of a
        pipe, https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html of a
        function."""
        if self.pipe:
            return _metric("AWS/EventBridge/Pipes", name, statistic, PipeName=self.pipe.pipe)
        return _metric("AWS/Lambda", name, statistic, FunctionName=str(self.feed_name))

    def fed(self, outcome: str) -> cloudwatch.Metric:
        """The changes of this outcome, by the function's own count."""
        return _metric(NAMESPACE, FED[outcome], "Sum", **{DIMENSION: str(self.feed_name)})

    def unread_writes(self) -> cloudwatch.MathExpression:
        """1 where the table was written to and the feed was not invoked, 0 where it was invoked.

        There is no value where nothing was written, so that silence of the table proves nothing.
        """
        return cloudwatch.MathExpression(
            expression="IF(writes > 0, IF(FILL(invocations, 0) > 0, 0, 1))",
            using_metrics={
                "writes": self.table("ConsumedWriteCapacityUnits"),
                "invocations": self.feed("Invocations"),
            },
            label="written to, but not read",
            period=PERIOD,
        )

    def dead_letters(self, queue: str) -> cloudwatch.Metric:
        """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html."""
        name = "ApproximateNumberOfMessagesVisible"
        return _metric("AWS/SQS", name, "Maximum", QueueName=queue)

    def delivery(self, name: str, statistic: str = "Sum") -> cloudwatch.Metric:
        """https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-metrics.html."""
        return _metric("AWS/Firehose", name, statistic, DeliveryStreamName=self.stream_name)

    def transform(self, name: str, statistic: str = "Sum") -> cloudwatch.Metric:
        """https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html."""
        return _metric("AWS/Lambda", name, statistic, FunctionName=self.transform_name)

    def compaction(self) -> list[cloudwatch.Metric]:
        """The failures of the function that compacts; none where there is no such function."""
        if self.compact_name is None:
            return []
        return [_metric("AWS/Lambda", "Errors", "Sum", FunctionName=self.compact_name)]

    def records(self, result: str) -> cloudwatch.Metric:
        """The records that the transform answered with this result, by its own count."""
        return _metric(NAMESPACE, RECORDS[result], "Sum", **{DIMENSION: self.transform_name})

    def odd_times(self) -> cloudwatch.Metric:
        """The records whose event time looks like one in another unit, by the transform's count."""
        return _metric(NAMESPACE, ODD_TIMES, "Sum", **{DIMENSION: self.transform_name})

    def error_writes(self) -> cloudwatch.Metric:
        """The objects that Firehose wrote below `errors/`."""
        return self._writes(ERRORS_FILTER)

    def feed_failures(self) -> cloudwatch.Metric:
        """The objects of changes that the feed function, or Lambda for it, gave up."""
        return self._writes(FEED_FAILURES_FILTER)

    def _writes(self, filter_id: str) -> cloudwatch.Metric:
        """https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html."""
        return _metric(
            "AWS/S3", "PutRequests", "Sum", BucketName=self.bucket_name, FilterId=filter_id
        )

    def api(self, *series: tuple[str, str]) -> list[cloudwatch.Metric]:
        """The metrics of these names and statistics; none where there is no API
        (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html)."""
        if self.api_stage is None:
            return []
        api, stage = self.api_stage
        return [
            _metric("AWS/ApiGateway", name, statistic, ApiName=api, Stage=stage)
            for name, statistic in series
        ]
