"""The deployment with a stopped pipe: its order, whatever fails. The commands only note calls."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "infrastructure/deploy_paused.sh"
AWS = """#!/usr/bin/env bash
echo "aws $1 $2" >> "$CALLS"
case "$*" in
  *PipeName*) echo the-pipe ;;
  *StreamName*) echo the-stream ;;
  *"describe-delivery-stream"*"the-stream"*) echo 60 ;;
  *"stop-pipe --name the-pipe"*) exit "$STOP_STATUS" ;;
esac
"""
NOTING = """#!/usr/bin/env bash
echo "$(basename "$0") $*" >> "$CALLS"
[ "$(basename "$0")" != npx ] || exit "$DEPLOY_STATUS"
"""
FOUND = ["aws cloudformation describe-stacks"] * 2 + ["aws firehose describe-delivery-stream"]
OPTIONS = ["-c", "layout=siteId/year", "-c", "stage=prod"]
DEPLOYED = ["aws pipes stop-pipe", "sleep 150", f"npx cdk deploy {' '.join(OPTIONS)}"]


def calls(folder: Path, stop_status: int = 0, deploy_status: int = 0) -> tuple[int, list[str]]:
    """The script's exit status and the commands it called."""
    for name, text in {"aws": AWS, "npx": NOTING, "sleep": NOTING}.items():
        command = folder / name
        command.write_text(text)
        command.chmod(0o755)
    noted = folder / "calls"
    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "CALLS": str(noted),
        "STOP_STATUS": str(stop_status),
        "DEPLOY_STATUS": str(deploy_status),
    }
    run = subprocess.run([SCRIPT, "Sluice-prod", *OPTIONS], env=environment, check=False)
    return run.returncode, noted.read_text().splitlines()


def test_it_deploys_between_a_stop_and_a_start_once_nothing_is_under_way(tmp_path: Path) -> None:
    assert calls(tmp_path) == (0, [*FOUND, *DEPLOYED, "sleep 300", "aws pipes start-pipe"])


@pytest.mark.parametrize("status", [1, 130])
def test_the_pipe_runs_again_when_the_deployment_fails(tmp_path: Path, status: int) -> None:
    assert calls(tmp_path, deploy_status=status) == (
        status,
        [*FOUND, *DEPLOYED, "aws pipes start-pipe"],
    )


def test_nothing_is_deployed_while_the_pipe_cannot_be_stopped(tmp_path: Path) -> None:
    status, noted = calls(tmp_path, stop_status=254)
    assert status == 254
    assert noted == [*FOUND, DEPLOYED[0], "aws pipes start-pipe"]
