"""The status of each part of a stack, as AWS reports it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Meta, Struct

from chalicelib.declaration import EPOCH_MS_MAX
from chalicelib.metrics import DIMENSION, NAMESPACE, ODD_TIMES
from chalicelib.objects import Stored
from chalicelib.partitions import DATA_PREFIX
from sluice.compaction.size import compacted_sizes
from sluice.errors import OperationError, explain
from sluice.feed import deployed_feed
from sluice.lake import objects, read_objects
from sluice.recovery.dead_letters import DeadLetters
from sluice.recovery.progress import Progress
from sluice.recovery.quarantine import error_objects, failed_at, stored_below
from sluice.stack import Stack
from sluice.wording import age, counted

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import DatapointTypeDef, MetricAlarmTypeDef

OBJECTS_MAX = 20_000
"""Objects of the lake that are listed to find the newest: twenty listings."""

METRIC_WINDOW = timedelta(minutes=15)
COUNT_WINDOW = timedelta(hours=24)

_PASSING = {"CREATING", "STARTING", "ENABLING", "UPDATING"}


class _Line(Struct):
    changedAt: Annotated[int, Meta(ge=0, le=EPOCH_MS_MAX)]


_decode_line = msgspec.json.Decoder(_Line).decode


class PartStatus(Struct, frozen=True, rename="camel"):
    """The status of one part."""

    part: str
    summary: str
    needs_person: bool = False
    facts: dict[str, Any] = {}


def status(stack: Stack, now: datetime | None = None) -> list[PartStatus]:
    """Return the status of every part; of a part that AWS does not report it is unknown."""
    moment = now or datetime.now(UTC)
    probes: dict[str, Callable[[], PartStatus]] = {
        _feed_part(stack): lambda: feed_status(stack),
        "delivery stream": lambda: _delivery_stream(stack),
        "dead letters": lambda: _dead_letters(stack, moment),
        "delivery": lambda: _delivery(stack, moment),
        "compacted": lambda: _compacted(stack),
        "errors": lambda: _errors(stack, moment),
        "event times": lambda: _event_times(stack, moment),
        "alarms": lambda: _alarms(stack),
    }
    if stack.feed != "pipe":
        del probes["dead letters"]
    return [_probed(part, probe) for part, probe in probes.items()]


def _probed(part: str, probe: Callable[[], PartStatus]) -> PartStatus:
    try:
        return probe()
    except (ClientError, BotoCoreError, OperationError) as error:
        return PartStatus(part, f"unknown: {explain(error)}", needs_person=True)


def _state(part: str, state: str, is_settled: bool, reason: str, note: str = "") -> PartStatus:
    return PartStatus(
        part,
        state + (f": {reason}" if reason else "") + note,
        needs_person=not is_settled and state.upper() not in _PASSING,
        facts={"state": state, "reason": reason},
    )


def _feed_part(stack: Stack) -> str:
    return "pipe" if stack.feed == "pipe" else "feed"


def feed_status(stack: Stack) -> PartStatus:
    """Return the status of what follows the table's stream."""
    feed, part = deployed_feed(stack), _feed_part(stack)
    # The emulator only keeps the state. What runs is the local one beside it, which may have died;
    # the pipe heeds the state.
    local = "pipe" if stack.feed == "pipe" else "mapping"
    note = f", says the emulator, which does not run the local {local}" if stack.emulated else ""
    return _state(part, feed.state, feed.follows and not feed.fails, feed.reason, note)


def _delivery_stream(stack: Stack) -> PartStatus:
    answer = stack.delivery_stream()
    state = answer["DeliveryStreamStatus"]
    reason = answer.get("FailureDescription", {}).get("Details", "")
    return _state("delivery stream", state, state == "ACTIVE", reason)


def _dead_letters(stack: Stack, now: datetime) -> PartStatus:
    with DeadLetters(stack) as letters:
        depth = letters.count()
    queue = stack.output("DeadLetterQueueUrl").rpartition("/")[2]
    oldest = _metric(stack, now, "AWS/SQS", "ApproximateAgeOfOldestMessage", QueueName=queue)
    summary = counted(depth, "message")
    if depth and oldest is not None:
        summary += f", the oldest sent {age(now - timedelta(seconds=oldest), now)}"
    elif depth:
        summary += ", of unknown age"
    if depth:
        summary += "; `sluice redrive` delivers their changes within 24 hours"
    return PartStatus("dead letters", summary, depth > 0, {"depth": depth, "oldestSeconds": oldest})


def _delivery(stack: Stack, now: datetime) -> PartStatus:
    """Return the age of the newest object in the lake, and of the newest change in it.

    Of a lake with more than OBJECTS_MAX objects, only the metric of the delivery stream.
    """
    name = stack.output("StreamName")
    freshness = "DeliveryToS3.DataFreshness"
    waiting = _metric(stack, now, "AWS/Firehose", freshness, DeliveryStreamName=name)
    facts: dict[str, Any] = {"dataFreshnessSeconds": waiting}
    summary = "" if waiting is None else f"the oldest undelivered record is {waiting:.0f} s old; "
    newest = None
    for count, each in enumerate(objects(stack, DATA_PREFIX), 1):
        if count > OBJECTS_MAX:
            summary += f"more than {OBJECTS_MAX} objects, too many to look for the newest"
            return PartStatus("delivery", summary, facts=facts)
        if newest is None or each.modified > newest.modified:
            newest = each
    if newest is None:
        history, _ = compacted_sizes(stack)
        summary += "all is compacted" if history.files else "nothing is delivered yet"
        return PartStatus("delivery", summary, facts=facts)
    problems: list[str] = []
    changed_at = _newest_change(stack, newest, problems)
    facts |= {"newestObjectAt": newest.modified, "newestChangeAt": changed_at}
    summary += f"the newest object was written {age(newest.modified, now)}"
    if changed_at is not None:
        summary += f", with a change made {age(changed_at, now)}"
    summary = "; ".join([summary, *problems])
    return PartStatus("delivery", summary, bool(problems), facts)


def _newest_change(stack: Stack, stored: Stored, problems: list[str]) -> datetime | None:
    """Return the time of the newest change in an object; None when it has no line of the lake."""
    ((_, content),) = read_objects(stack, [stored], problems)
    return _moment(max((_decode_line(line).changedAt for line in content), default=None))


def _moment(epoch_ms: int | None) -> datetime | None:
    return None if epoch_ms is None else datetime.fromtimestamp(epoch_ms / 1000, UTC)


def _compacted(stack: Stack) -> PartStatus:
    history, current = compacted_sizes(stack)
    facts = {"history": history, "current": current}
    if not history.files:
        return PartStatus("compacted", "nothing is compacted", facts=facts)
    hidden = "" if stack.reads_compacted else "; no query sees it: deploy with -c compaction=manual"
    summary = f"history {history}; current {current}{hidden}"
    return PartStatus("compacted", summary, bool(hidden), facts)


def _errors(stack: Stack, now: datetime) -> PartStatus:
    stored = stored_below(stack)
    waiting = [
        failed_at(record, each.stored)
        for each in error_objects(stack, stored, Progress(stack))
        for record in each.waiting
    ]
    newest = _moment(max(waiting, default=None))
    facts = {"objects": len(stored), "records": len(waiting), "newestAt": newest}
    summary = f"{counted(len(waiting), 'record')} in {counted(len(stored), 'object')}"
    if newest is not None:
        summary += f", the newest failed {age(newest, now)}; `sluice failed` lists them"
    return PartStatus("errors", summary, bool(stored), facts)


def _event_times(stack: Stack, now: datetime) -> PartStatus:
    """Return how many records had a time that looks like one in another unit."""
    function = {DIMENSION: stack.output("TransformName")}
    points = _points(stack, now, COUNT_WINDOW, NAMESPACE, ODD_TIMES, **function)
    count = round(sum(point["Sum"] for point in points))
    hours = COUNT_WINDOW // timedelta(hours=1)
    summary = f"{counted(count, 'record')} of the last {hours} h with a time of another unit"
    if count:
        summary += "; `sluice logs --part transform` names them"
    elif stack.emulated:
        summary += ", says the emulator, which makes no metrics of a function's log"
    return PartStatus("event times", summary, count > 0, {"implausible": count})


def _alarms(stack: Stack) -> PartStatus:
    pages = stack.cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmNamePrefix=f"{stack.name}-"
    )
    alarms: list[MetricAlarmTypeDef] = [alarm for page in pages for alarm in page["MetricAlarms"]]
    raised = sorted(alarm["AlarmName"] for alarm in alarms if alarm["StateValue"] == "ALARM")
    summary = f"{len(raised)} of {len(alarms)} in ALARM"
    if raised:
        summary += ": " + ", ".join(raised) + "; docs/runbook.md says what each means"
    elif stack.emulated and alarms:
        summary += "; the emulator has no metrics of Pipes and Firehose, so they stay silent"
    return PartStatus("alarms", summary, bool(raised), {"total": len(alarms), "inAlarm": raised})


def _metric(
    stack: Stack, now: datetime, namespace: str, name: str, **dimension: str
) -> float | None:
    """Return the latest maximum of a metric in one minute; None where CloudWatch has none."""
    points = _points(stack, now, METRIC_WINDOW, namespace, name, **dimension)
    latest = max(points, key=lambda point: point["Timestamp"], default=None)
    return None if latest is None else latest["Maximum"]


def _points(
    stack: Stack, now: datetime, window: timedelta, namespace: str, name: str, **dimension: str
) -> "list[DatapointTypeDef]":
    """Return the maximum and the sum of a metric in each minute of the window; in each hour of a
    long one."""
    answer = stack.cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimension.items()],
        StartTime=now - window,
        EndTime=now,
        Period=60 if window <= METRIC_WINDOW else 3600,
        Statistics=["Maximum", "Sum"],
    )
    return answer["Datapoints"]
