"""The deployment with a stopped pipe, on the stack of this machine under load.

The script and AWS's command line are the real ones; what it waits for and deploys is the test's.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from chalicelib.schema import TABLE
from local.cdk import ROOT
from tests.end_to_end.faults.stack import FaultyStack, wait_until
from tests.end_to_end.test_clients import BIN

WAITING = """#!/usr/bin/env bash
touch "$GATES/$(basename "$0").reached"
until [ -e "$GATES/$(basename "$0").open" ]; do /bin/sleep 0.1; done
"""


@contextmanager
def script(stack: FaultyStack, folder: Path) -> Iterator[Callable[[str], None]]:
    """The running script; the call waits until it has reached a command, and lets that end."""
    for name in ("sleep", "npx"):
        (folder / name).write_text(WAITING)
        (folder / name).chmod(0o755)
    path = os.pathsep.join([str(folder), str(BIN), "/usr/bin", "/bin"])
    environment = {**stack.environment, "PATH": path, "PYTHONPATH": "", "GATES": str(folder)}
    command = [str(ROOT / "infrastructure/deploy_paused.sh"), stack.name]

    def let(name: str) -> None:
        wait_until((folder / f"{name}.reached").exists, f"the script is at {name}")
        (folder / f"{name}.open").touch()

    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        try:
            yield let
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
        finally:
            process.kill()


@pytest.mark.skipif(not BIN.exists(), reason="needs the AWS command line: make clients")
def test_a_layout_deployed_while_the_pipe_is_stopped_quarantines_nothing(
    stack: FaultyStack, tmp_path: Path
) -> None:
    if stack.feed != "pipe":
        pytest.skip("the local mapping cannot be disabled: the emulator's would be enabled then")
    with ExitStack() as until_all_is_counted:
        with stack.load():
            wait_until(lambda: bool(stack.accountant.lines(stack.run)), "lines of this layout")
            with script(stack, tmp_path) as let:
                wait_until(stack.nothing_is_under_way, "a stopped pipe, Firehose without a record")
                before = len(stack.accountant.changes(stack.run))
                let("sleep")
                until_all_is_counted.enter_context(stack.laid_out(TABLE.layout[:-2]))()
                wait_until(
                    lambda: len(stack.accountant.changes(stack.run)) > before, "changes meanwhile"
                )
                let("npx")
        account = stack.account("the layout changes while the pipe is stopped")
    assert account.delivered == account.changes
    assert account.duplicates == 0
