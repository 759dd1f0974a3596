"""MiniStack, the AWS emulator, on loopback and behind the guard: an empty account for each run."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import urllib3

from chalicelib.declared import VARIABLE
from local.cdk import ROOT
from local.processes import LOOPBACK, Process

REGION = "us-east-1"
ACCOUNT = "000000000000"
START_SECONDS = 60.0
ANSWER_SECONDS = 2.0

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
}
"""The credentials of every client of the emulator, which accepts any."""

_FOREIGN = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN")


def _inherited() -> dict[str, str]:
    """Return the environment without variables that name a person's account or another emulator."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in _FOREIGN and not name.startswith("AWS_ENDPOINT_URL")
    }


def client_environment(endpoint_url: str, **more: str) -> dict[str, str]:
    """Return the environment in which any AWS client talks to the emulator instead of AWS.

    A profile or session of the person's own is left out: it must not reach the emulator.
    """
    return {
        **_inherited(),
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": endpoint_url,
        # The CDK command line reads this one for the upload of assets.
        "AWS_ENDPOINT_URL_S3": endpoint_url,
        "CDK_DEFAULT_ACCOUNT": ACCOUNT,
        "CDK_DEFAULT_REGION": REGION,
        **more,
    }


@dataclass(frozen=True, slots=True)
class MiniStack:
    """The running emulator."""

    endpoint_url: str
    process: Process

    def answers(self) -> bool:
        """Whether it answers within `ANSWER_SECONDS`."""
        return answers(f"{self.endpoint_url}/_ministack/health")


def answers(url: str) -> bool:
    """Whether a server answers a GET with 200 within `ANSWER_SECONDS`."""
    try:
        answer = urllib3.request("GET", url, retries=False, timeout=ANSWER_SECONDS)
    except urllib3.exceptions.HTTPError:
        return False
    return answer.status == 200


@contextmanager
def emulator(port: int, folder: Path) -> Iterator[MiniStack]:
    """Run the emulator. Its data lies in memory and `folder`."""
    endpoint_url = f"http://{LOOPBACK}:{port}"
    environment = {
        **_inherited(),
        **CREDENTIALS,
        "BIND_HOST": LOOPBACK,
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "MINISTACK_HOST": LOOPBACK,
        "TMPDIR": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    # The functions would inherit it, and they have the declaration that they were packed with.
    environment.pop(VARIABLE, None)
    folder.mkdir(parents=True, exist_ok=True)
    process = Process(
        "the emulator",
        [sys.executable, "-m", "local.ministack"],
        folder / "emulator.log",
        environment,
        # Not by PYTHONPATH, which the functions would inherit: they import what was deployed.
        ROOT,
    )
    ministack = MiniStack(endpoint_url, process)
    try:
        process.wait_until(ministack.answers, START_SECONDS)
        yield ministack
    finally:
        process.stop()
