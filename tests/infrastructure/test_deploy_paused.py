"""The deployment with a stopped feed: its order, whatever fails. The commands only note calls."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "infrastructure/deploy_paused.sh"
AWS = """#!/usr/bin/env bash
echo "aws $1 $2" >> "$CALLS"
case "$*" in
  *"'Feed'"*) echo "$FEED" ;;
  *PipeName*) echo the-pipe ;;
  *FeedMapping*) echo the-uuid ;;
  *StreamName*) echo the-stream ;;
  *"describe-delivery-stream"*"the-stream"*) echo 60 ;;
  *"stop-pipe --name the-pipe"*) exit "$STOP_STATUS" ;;
  *"--uuid the-uuid --no-enabled"*)
    if [ "$STOP_STATUS" = 0 ]; then touch "$CALLS.stopping"; fi
    exit "$STOP_STATUS" ;;
  *"--uuid the-uuid --enabled"*) rm -f "$CALLS.stopped" ;;
  *"get-event-source-mapping --uuid the-uuid"*)
    if [ -e "$CALLS.stopping" ]; then echo Disabling; mv "$CALLS.stopping" "$CALLS.stopped"
    elif [ -e "$CALLS.stopped" ]; then echo Disabled
    else echo Enabled; fi ;;
esac
"""
NOTING = """#!/usr/bin/env bash
echo "$(basename "$0") $*" >> "$CALLS"
[ "$(basename "$0")" != npx ] || exit "$DEPLOY_STATUS"
"""
FOUND = ["aws cloudformation describe-stacks"] * 3 + ["aws firehose describe-delivery-stream"]
OPTIONS = ["-c", "layout=siteId/year", "-c", "stage=prod"]
DEPLOYED = ["sleep 150", f"npx cdk deploy {' '.join(OPTIONS)}"]
STATE = "aws lambda get-event-source-mapping"


@dataclass(frozen=True)
class Calls:
    """The calls that stop a feed and start it again."""

    feed: str
    stop: list[str]
    stopped: list[str]
    """What follows a stop that AWS accepts."""
    start: list[str]


PIPE = Calls("pipe", ["aws pipes stop-pipe"], [], ["aws pipes start-pipe"])
FUNCTION = Calls(
    "function",
    ["aws lambda update-event-source-mapping"],
    [STATE, "sleep 5", STATE],
    [STATE, "aws lambda update-event-source-mapping", STATE],
)
EITHER = pytest.mark.parametrize("feed", [PIPE, FUNCTION], ids=lambda feed: feed.feed)


def calls(
    folder: Path, feed: Calls, stop_status: int = 0, deploy_status: int = 0
) -> tuple[int, list[str]]:
    """The script's exit status and the commands it called."""
    for name, text in {"aws": AWS, "npx": NOTING, "sleep": NOTING}.items():
        command = folder / name
        command.write_text(text)
        command.chmod(0o755)
    noted = folder / "calls"
    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "CALLS": str(noted),
        "FEED": feed.feed,
        "STOP_STATUS": str(stop_status),
        "DEPLOY_STATUS": str(deploy_status),
    }
    run = subprocess.run([SCRIPT, "Sluice-prod", *OPTIONS], env=environment, check=False)
    return run.returncode, noted.read_text().splitlines()


@EITHER
def test_it_deploys_between_a_stop_and_a_start_once_nothing_is_under_way(
    tmp_path: Path, feed: Calls
) -> None:
    assert calls(tmp_path, feed) == (
        0,
        [*FOUND, *feed.stop, *feed.stopped, *DEPLOYED, "sleep 300", *feed.start],
    )


def test_a_stack_from_before_there_was_a_choice_has_a_pipe(tmp_path: Path) -> None:
    assert calls(tmp_path, Calls("", [], [], []))[1][-1] == "aws pipes start-pipe"


@EITHER
@pytest.mark.parametrize("status", [1, 130])
def test_the_feed_runs_again_when_the_deployment_fails(
    tmp_path: Path, feed: Calls, status: int
) -> None:
    assert calls(tmp_path, feed, deploy_status=status) == (
        status,
        [*FOUND, *feed.stop, *feed.stopped, *DEPLOYED, *feed.start],
    )


@EITHER
def test_nothing_is_deployed_while_the_feed_cannot_be_stopped(tmp_path: Path, feed: Calls) -> None:
    status, noted = calls(tmp_path, feed, stop_status=254)
    assert status == 254
    assert noted == [*FOUND, *feed.stop, *feed.start]
