"""The CDK command line, run from `infrastructure/` as a person would run it."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from local.processes import LocalRunError, Process

ROOT = Path(__file__).parents[1]
INFRASTRUCTURE = ROOT / "infrastructure"
CDK = INFRASTRUCTURE / "node_modules" / ".bin" / "cdk"
TOOLS = Path(sys.executable).parent
"""Where the virtual environment has the Python of cdk.json, and Node, which the CDK runs on."""

OFFLINE = {"CDK_DISABLE_VERSION_CHECK": "1", "CDK_DISABLE_CLI_TELEMETRY": "true"}
"""Keeps the command line from contacting servers that the deployment does not need."""


def require_tools(path: str) -> None:
    """Raise LocalRunError, with the remedy, when the CDK cannot run with that PATH."""
    present = {
        "Node": shutil.which("node", path=path) is not None,
        "the CDK command line": CDK.exists(),
    }
    if missing := [name for name, is_present in present.items() if not is_present]:
        raise LocalRunError(
            f"missing: {', '.join(missing)}; `make clean setup` installs everything"
        )


def cdk(
    arguments: list[str],
    environment: Mapping[str, str],
    log: Path,
    seconds: float = 300,
    folder: Path = INFRASTRUCTURE,
) -> None:
    """Run one CDK command to its end. Raises LocalRunError with the end of its output.

    In another folder than that of the app, it has no app to synthesize.
    """
    command = f"`cdk {arguments[0]}`"
    process = Process(
        command,
        [str(CDK), "--no-color", "--ci", "--no-notices", *arguments],
        log,
        {**environment, **OFFLINE, "PATH": tools_path(environment)},
        folder,
    )
    try:
        code = process.wait(seconds)
    finally:
        process.kill()
    if code is None:
        raise LocalRunError(
            f"{command} did not end within {seconds:.0f} s:\n{process.last_words()}"
        )
    if code != 0:
        raise LocalRunError(f"{command} failed with status {code}:\n{process.last_words(25)}")


def tools_path(environment: Mapping[str, str]) -> str:
    """Return the PATH with the virtual environment's tools first."""
    return f"{TOOLS}{os.pathsep}{environment['PATH']}"
