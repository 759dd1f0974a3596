"""The deployment with a stopped feed: its order, whatever fails. The commands only note calls."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "infrastructure/deploy_paused.sh"
AWS = """#!/usr/bin/env bash
echo "aws $1 $2" >> "$CALLS"
# A state is kept until it was asked for: what is under way then is done.
states() { if [ "$FEED" = function ]; then echo "$1"; else echo "$2"; fi > "$CALLS.state"; }
case "$*" in
  *"'Feed'"*) echo "$FEED" ;;
  *PipeName*) echo the-pipe ;;
  *FeedMapping*) echo the-uuid ;;
  *StreamName*) echo the-stream ;;
  *"describe-delivery-stream"*"the-stream"*) echo 60 ;;
  *"stop-pipe --name the-pipe"* | *"--uuid the-uuid"*--no-enabled*)
    [ "$STOP_STATUS" = 0 ] || exit "$STOP_STATUS"
    states Disabling STOPPING ;;
  *"start-pipe --name the-pipe"* | *"--uuid the-uuid"*--enabled*) states Enabling STARTING ;;
  *"describe-pipe --name the-pipe"* | *"get-event-source-mapping --uuid the-uuid"*)
    [ -e "$CALLS.state" ] || states Enabled RUNNING
    cat "$CALLS.state"
    case "$(cat "$CALLS.state")" in
      Disabling | STOPPING) states Disabled "$STOPPED" ;;
      Enabling | STARTING) states Enabled RUNNING ;;
    esac ;;
esac
"""
NOTING = """#!/usr/bin/env bash
echo "$(basename "$0") $*" >> "$CALLS"
[ "$(basename "$0")" != npx ] || exit "$DEPLOY_STATUS"
"""
FOUND = ["aws cloudformation describe-stacks"] * 3 + ["aws firehose describe-delivery-stream"]
OPTIONS = ["-c", "layout=siteId/year", "-c", "stage=prod"]
DEPLOYED = ["sleep 330", f"npx cdk deploy {' '.join(OPTIONS)}"]


@dataclass(frozen=True)
class Calls:
    """The calls that ask for a feed's state, stop it and start it again."""

    feed: str
    state: str
    stop: str
    start: str

    @property
    def stopped(self) -> list[str]:
        """The calls until the feed stands still."""
        return [self.state, self.stop, self.state, "sleep 5", self.state]

    @property
    def started(self) -> list[str]:
        """The calls until it runs again."""
        return [self.state, self.start, self.state, "sleep 5", self.state]


_UPDATE = "aws lambda update-event-source-mapping"
PIPE = Calls("pipe", "aws pipes describe-pipe", "aws pipes stop-pipe", "aws pipes start-pipe")
FUNCTION = Calls("function", "aws lambda get-event-source-mapping", _UPDATE, _UPDATE)
EITHER = pytest.mark.parametrize("feed", [PIPE, FUNCTION], ids=lambda feed: feed.feed)


def calls(
    folder: Path,
    feed: Calls,
    stop_status: int = 0,
    deploy_status: int = 0,
    stopped: str = "STOPPED",
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
        "STOPPED": stopped,
    }
    run = subprocess.run([SCRIPT, "Sluice-prod", *OPTIONS], env=environment, check=False)
    return run.returncode, noted.read_text().splitlines()


@EITHER
def test_it_deploys_between_a_stop_and_a_start_once_nothing_is_under_way(
    tmp_path: Path, feed: Calls
) -> None:
    assert calls(tmp_path, feed) == (
        0,
        [*FOUND, *feed.stopped, *DEPLOYED, "sleep 300", *feed.started],
    )


def test_a_stack_from_before_there_was_a_choice_has_a_pipe(tmp_path: Path) -> None:
    assert "aws pipes start-pipe" in calls(tmp_path, Calls("", "", "", ""))[1]


@EITHER
@pytest.mark.parametrize("status", [1, 130])
def test_the_feed_runs_again_when_the_deployment_fails(
    tmp_path: Path, feed: Calls, status: int
) -> None:
    assert calls(tmp_path, feed, deploy_status=status) == (
        status,
        [*FOUND, *feed.stopped, *DEPLOYED, *feed.started],
    )


@EITHER
def test_nothing_is_deployed_while_the_feed_cannot_be_stopped(tmp_path: Path, feed: Calls) -> None:
    status, noted = calls(tmp_path, feed, stop_status=254)
    assert status == 254
    assert noted == [*FOUND, feed.state, feed.stop, feed.state]


def test_nothing_is_deployed_beside_a_feed_that_does_not_stop(tmp_path: Path) -> None:
    status, noted = calls(tmp_path, PIPE, stopped="STOP_FAILED")
    assert status == 1
    assert noted == [*FOUND, *PIPE.stopped, *PIPE.started]
