"""What a stack's feed is said to be, for each feed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import pytest

from sluice.backfill.gap import refuse_standing
from sluice.errors import OperationError
from sluice.feed import deployed_feed
from sluice.stack import Stack
from sluice.status import feed_status

UUID = "7b5c3a52-0000-4000-8000-000000000000"
MADE = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
class FedStack(Stack):
    """A stack whose feed AWS reports like this."""

    answer: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def functions(self) -> Any:  # type: ignore[override]
        return SimpleNamespace(get_event_source_mapping=lambda **_: self.answer)

    @cached_property
    def pipes(self) -> Any:  # type: ignore[override]
        return SimpleNamespace(describe_pipe=lambda **_: self.answer)


def by_function(**answer: Any) -> FedStack:
    outputs = {"Feed": "function", "FeedMapping": UUID}
    return FedStack("Sluice-test", outputs, {"LastModified": MADE, **answer})


@pytest.fixture(autouse=True)
def on_aws(aws_environment: pytest.MonkeyPatch) -> None:
    aws_environment.delenv("AWS_ENDPOINT_URL", raising=False)


@pytest.mark.parametrize(
    ("answer", "summary", "needs_person"),
    [
        ({"State": "Enabled", "StateTransitionReason": "User action"}, "Enabled", False),
        ({"State": "Enabled", "LastProcessingResult": "OK"}, "Enabled", False),
        (
            {"State": "Enabled", "LastProcessingResult": "PROBLEM: Function call failed"},
            "Enabled: PROBLEM: Function call failed",
            True,
        ),
        ({"State": "Enabling"}, "Enabling", False),
        (
            {"State": "Disabled", "StateTransitionReason": "User action"},
            "Disabled: User action",
            True,
        ),
    ],
)
def test_the_mapping_of_a_function_is_reported_in_the_place_of_a_pipe(
    answer: dict[str, Any], summary: str, needs_person: bool
) -> None:
    feed = feed_status(by_function(**answer))
    assert (feed.part, feed.summary, feed.needs_person) == ("feed", summary, needs_person)


def test_a_pipe_is_the_feed_of_a_stack_that_names_none() -> None:
    answer = {
        "Name": "p",
        "CurrentState": "STOPPED",
        "StateReason": "User initiated",
        "CreationTime": MADE,
        "SourceParameters": {"DynamoDBStreamParameters": {"MaximumBatchingWindowInSeconds": 1}},
    }
    stack = FedStack("Sluice-test", {"PipeName": "p"}, answer)
    pipe = feed_status(stack)
    assert (pipe.part, pipe.summary, pipe.needs_person) == ("pipe", "STOPPED: User initiated", True)
    assert deployed_feed(stack).window_seconds == 1


def test_a_mapping_that_stands_still_is_refused_with_the_remedy() -> None:
    feed = deployed_feed(by_function(State="Disabled", MaximumBatchingWindowInSeconds=300))
    assert (feed.began, feed.window_seconds) == (MADE, 300)
    with pytest.raises(OperationError, match=rf"{UUID} .* is Disabled: .*--enabled --uuid {UUID}`"):
        refuse_standing(feed)
    refuse_standing(deployed_feed(by_function(State="Enabled")))


def test_the_mapping_of_an_emulator_is_run_beside_it(aws_environment: pytest.MonkeyPatch) -> None:
    aws_environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert deployed_feed(by_function(State="Disabled")).follows
