"""The CDK command line, run from `infrastructure/` as a person would run it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from local.processes import LocalRunError

ROOT = Path(__file__).parents[1]
INFRASTRUCTURE = ROOT / "infrastructure"
CDK = INFRASTRUCTURE / "node_modules" / ".bin" / "cdk"


def cdk(
    arguments: list[str], environment: Mapping[str, str], log: Path, seconds: float = 300
) -> None:
    """Run one CDK command to its end. Raises LocalRunError with the end of its output."""
    if not CDK.exists():
        raise LocalRunError(f"the CDK command line is missing ({CDK}); run `make setup`")
    tools = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(  # noqa: S603
            [str(CDK), "--no-color", "--ci", *arguments],
            cwd=INFRASTRUCTURE,
            env={**environment, "PATH": tools, "CDK_DISABLE_VERSION_CHECK": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            code = child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise LocalRunError(
                f"`cdk {arguments[0]}` did not end within {seconds:.0f} s; its output is in {log}"
            ) from None
        finally:
            child.kill()
            child.wait()
    if code != 0:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
        raise LocalRunError(f"`cdk {arguments[0]}` failed with status {code}:\n{last}\n({log})")
