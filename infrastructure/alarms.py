"""The alarms: what is watched, which limit it must keep, what a breach means and what fixes it.

An alarm goes off at once where records may already have left the way to the lake, or where only a
mistake can be the cause. Where the next try usually succeeds, it waits until the trouble has lasted
three periods of five minutes.

A count of failures ends with the last failure, and a part that has stopped counts nothing. Two
alarms therefore keep their state while their source is silent: of a pipe that leaves writes unread,
and of dead letters. A Firehose that delivers nothing reports the age of what waits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from infrastructure.grants import service_rights, statement
from infrastructure.metrics import Metrics, PipeNames
from infrastructure.settings import DeploymentSettings
from infrastructure.terms import TOPIC

RUNBOOK = "docs/runbook.md"
AT_ONCE = 1
SUSTAINED = 3
HOUR = 12
"""Periods in an hour."""

LATE_MS = 900_000
"""How long a change may wait in the table's stream before the feed counts as behind."""

TIMEOUT_SHARE = 0.8
"""The part of its timeout that an invocation may take before it counts as slow."""

KEY_ERRORS = {
    "KMSKeyAccessDenied": "may not use the stack's key",
    "KMSKeyDisabled": "finds the stack's key disabled",
    "KMSKeyInvalidState": "finds the stack's key in a state that forbids its use",
    "KMSKeyNotFound": "does not find the stack's key",
}
"""Firehose's metrics of what can be wrong with the key of its stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One alarm to be."""

    name: str
    metric: cloudwatch.Metric | cloudwatch.MathExpression
    meaning: str
    remedy: str = "Look with `sluice status`"
    """The `sluice` command that fixes it, or shows what to fix."""
    limit: float = 0
    """The alarm goes off when the metric is above this."""
    low: bool = False
    """The alarm goes off when the metric is below its limit instead."""
    periods: int = AT_ONCE
    within: int | None = None
    """The number of periods among which the breaches may lie; without it they follow each other."""
    missing: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING
    """A part that does nothing mostly says nothing, and then nothing is wrong."""

    @property
    def description(self) -> str:
        """The description of the alarm."""
        return f"{self.meaning} {self.remedy}; see {RUNBOOK}#{self.name.lower()}."


def watches(metrics: Metrics, *, buffer_seconds: int, timeout_seconds: float) -> list[Watch]:
    """Everything that is watched."""
    return [
        *(_pipe_watches(metrics, metrics.pipe) if metrics.pipe else _feed_watches(metrics)),
        *_delivery_watches(metrics, buffer_seconds),
        *_transform_watches(metrics, timeout_seconds),
        *(
            Watch(
                name="CompactionFailing",
                metric=metric,
                meaning="A run of the compaction has failed. Nothing is lost: raw objects stay "
                "until both tables have them, and the next run goes on.",
                remedy="Read why with `sluice logs`",
            )
            for metric in metrics.compaction()
        ),
        *(
            Watch(
                name="ApiFailing",
                metric=metric,
                meaning="The API answered a request with a status of 500 or above.",
            )
            for metric in metrics.api(("5XXError", "Sum"))
        ),
    ]


def _pipe_watches(metrics: Metrics, names: PipeNames) -> list[Watch]:
    return [
        Watch(
            name="PipeFailing",
            metric=metrics.feed("ExecutionFailed"),
            periods=SUSTAINED,
            meaning="The pipe has failed for 15 minutes on end, and changes are waiting behind.",
        ),
        Watch(
            name="PipeTargetFailing",
            metric=metrics.feed("TargetStageFailed"),
            periods=SUSTAINED,
            meaning="Firehose has refused the pipe's batches for 15 minutes on end.",
        ),
        Watch(
            name="PipeThrottled",
            metric=metrics.feed("ExecutionThrottled"),
            periods=SUSTAINED,
            meaning="The pipe has been throttled for 15 minutes on end and falls behind.",
        ),
        Watch(
            name="PipeTimingOut",
            metric=metrics.feed("ExecutionTimeout"),
            meaning="A batch of the pipe ran out of time before Firehose had taken it.",
        ),
        _silence("Pipe", "pipe", metrics),
        Watch(
            name="DeadLetters",
            metric=metrics.dead_letters(names.dead_letters),
            # SQS falls silent about a queue that nothing has touched for six hours, even when
            # messages lie in it.
            missing=cloudwatch.TreatMissingData.IGNORE,
            meaning="The pipe gave up on changes. They leave the table's stream 24 hours after "
            "they were made, and cannot be fetched from then on.",
            remedy="Bring them back with `sluice redrive`",
        ),
    ]


def _feed_watches(metrics: Metrics) -> list[Watch]:
    return [
        Watch(
            name="FeedFailing",
            metric=metrics.feed("Errors"),
            periods=SUSTAINED,
            meaning="The feed function has raised, or run out of time or memory, for 15 minutes "
            "on end, and changes are waiting behind.",
            remedy="Read why with `sluice logs`",
        ),
        Watch(
            name="FeedRefused",
            metric=metrics.fed("refused"),
            periods=SUSTAINED,
            meaning="Firehose has refused the feed's changes for 15 minutes on end.",
            remedy="Read why with `sluice logs`",
        ),
        Watch(
            name="FeedThrottled",
            metric=metrics.feed("Throttles"),
            periods=SUSTAINED,
            meaning="The feed function has been throttled for 15 minutes on end and falls behind.",
        ),
        Watch(
            name="FeedBehind",
            metric=metrics.feed("IteratorAge", "Maximum"),
            limit=LATE_MS,
            meaning="Changes have waited in the table's stream for more than 15 minutes; it loses "
            "them after 24 hours.",
        ),
        _silence("Feed", "feed function", metrics),
        Watch(
            name="FeedFailures",
            metric=metrics.feed_failures(),
            meaning="The feed gave up on changes. They lie whole in the lake's bucket, and do not "
            "age.",
            remedy="Bring them back with `sluice redrive`",
        ),
        Watch(
            name="FeedFailuresLost",
            # It needs no setting and costs nothing, unlike the metrics of the mapping itself.
            metric=metrics.feed("DestinationDeliveryFailures"),
            meaning="Lambda gave up on changes and could not keep them in the lake's bucket. They "
            "leave the table's stream 24 hours after they were made, and nothing else has them.",
            remedy="Remove the cause, deploy the other feed, then run `sluice redrive`",
        ),
    ]


def _silence(prefix: str, feed: str, metrics: Metrics) -> Watch:
    return Watch(
        name=f"{prefix}Silent",
        metric=metrics.unread_writes(),
        periods=SUSTAINED,
        # A table that is seldom written to has no three periods in a row.
        within=HOUR,
        # A stopped feed publishes nothing, and whether it runs again only a write shows.
        missing=cloudwatch.TreatMissingData.IGNORE,
        meaning=f"The table was written to in three periods of the last hour, and the {feed} was "
        "not invoked. Stopped, it reports no failure; the stream loses changes after 24 hours.",
    )


def _delivery_watches(metrics: Metrics, buffer_seconds: int) -> list[Watch]:
    return [
        Watch(
            name="DeliveryLate",
            metric=metrics.delivery("DeliveryToS3.DataFreshness", "Maximum"),
            # AWS advises 15 minutes; with a long buffer a line may wait one and a half times it.
            limit=max(900, 2 * buffer_seconds),
            meaning="A record has waited in Firehose for longer than its buffers explain.",
        ),
        Watch(
            name="DeliveryFailing",
            metric=metrics.delivery("DeliveryToS3.Success", "Average"),
            limit=1,
            low=True,
            periods=SUSTAINED,
            meaning="Firehose's writes to the bucket have failed for 15 minutes on end; it tries "
            "for 24 hours and then discards.",
        ),
        Watch(
            name="DeliveryThrottled",
            metric=metrics.delivery("ThrottledRecords"),
            periods=SUSTAINED,
            meaning="Firehose has throttled records for 15 minutes on end; the feed puts them "
            "again and falls behind.",
        ),
        Watch(
            name="TooManyPartitions",
            metric=metrics.delivery("PartitionCountExceeded", "Maximum"),
            meaning="More partitions were open at a time than Firehose holds; records of the rest "
            "went under errors/.",
            remedy="Fix the cause, then bring them back with `sluice replay`",
        ),
        *(
            Watch(
                name=name.removeprefix("KMS"),
                metric=metrics.delivery(name),
                meaning=f"Firehose {trouble}; it waits for 24 hours and then discards.",
            )
            for name, trouble in KEY_ERRORS.items()
        ),
        Watch(
            name="ErrorObjects",
            metric=metrics.error_writes(),
            meaning="Records that could not be delivered were written under errors/.",
            remedy="Fix the cause, then bring them back with `sluice replay`",
        ),
    ]


def _transform_watches(metrics: Metrics, timeout_seconds: float) -> list[Watch]:
    return [
        Watch(
            name="RecordsFailed",
            metric=metrics.records("ProcessingFailed"),
            meaning="The transform could not read records; they go under errors/ as they came.",
            remedy="Read why with `sluice failed`",
        ),
        Watch(
            name="ImplausibleTimes",
            metric=metrics.odd_times(),
            meaning="Records were delivered whose event time looks like one in another unit: they "
            "lie in partitions before 1973.",
            remedy="Read which with `sluice logs`",
        ),
        Watch(
            name="TransformFailing",
            metric=metrics.transform("Errors"),
            meaning="The transform raised or ran out of time or memory, which no record should "
            "make it do; a batch that fails four times goes under errors/.",
            remedy="Fix the cause, then bring them back with `sluice replay`",
        ),
        Watch(
            name="TransformSlow",
            metric=metrics.transform("Duration", "Maximum"),
            limit=timeout_seconds * 1000 * TIMEOUT_SHARE,
            meaning="A batch took the transform more than four fifths of the time it has.",
        ),
        Watch(
            name="TransformThrottled",
            metric=metrics.transform("Throttles"),
            periods=SUSTAINED,
            meaning="The transform has been throttled for 15 minutes on end; a batch that is "
            "throttled four times goes under errors/.",
            remedy="Fix the cause, then bring them back with `sluice replay`",
        ),
    ]


class Alarms(Construct):
    """The alarms, named after the stack, and the encrypted topic that they notify."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: DeploymentSettings,
        key: kms.IKey,
        watches: Sequence[Watch],
    ) -> None:
        super().__init__(scope, id)
        self.topic = self._topic(settings, key)
        self.alarms = [
            self._alarm(watch, settings)
            for watch in watches
            # The emulator takes no alarm on an expression.
            if settings.target == "aws" or isinstance(watch.metric, cloudwatch.Metric)
        ]

    def _topic(self, settings: DeploymentSettings, key: kms.IKey) -> sns.Topic:
        topic = sns.Topic(
            self, "Topic", display_name=settings.stack_name, master_key=key, enforce_ssl=True
        )
        for right in service_rights(settings, TOPIC):
            topic.add_to_resource_policy(statement(self, right, settings))
        if settings.alarm_email is not None:
            sns.Subscription(
                self,
                "Email",
                topic=topic,
                protocol=sns.SubscriptionProtocol.EMAIL,
                endpoint=settings.alarm_email,
            )
        return topic

    def _alarm(self, watch: Watch, settings: DeploymentSettings) -> cloudwatch.Alarm:
        alarm = watch.metric.create_alarm(
            self,
            watch.name,
            alarm_name=f"{settings.stack_name}-{watch.name}",
            alarm_description=watch.description,
            threshold=watch.limit,
            comparison_operator=(
                cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
                if watch.low
                else cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
            ),
            evaluation_periods=watch.within or watch.periods,
            datapoints_to_alarm=watch.periods if watch.within else None,
            treat_missing_data=watch.missing,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        alarm.add_ok_action(actions.SnsAction(self.topic))
        return alarm
