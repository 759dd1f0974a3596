"""The whole local run: emulator, stack, Firehose and pipe, up together and down together."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.cdk import ROOT, cdk
from local.emulator import client_environment, emulator
from local.processes import LOOPBACK, Process, free_port, listening, require_free

STACK_NAME = "Sluice-local"
STATE = ROOT / ".local"
CONTEXT = ["-c", "target=local", "-c", "stage=local"]
READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Options:
    """What a person may choose about a local run."""

    port: int | None = None
    """The emulator's; None for any free one."""
    firehose_port: int | None = None
    buffer_seconds: float = 2.0
    """How long Firehose buffers locally; the deployed stream keeps its own value."""


@dataclass(frozen=True, slots=True)
class Session:
    """A running local stack."""

    endpoint_url: str
    firehose_url: str
    environment: dict[str, str]
    """For any AWS client, the `sluice` command included, to talk to this stack."""
    folder: Path
    """Logs and state of this run."""
    processes: dict[str, Process]


@contextmanager
def running(
    options: Options, folder: Path, report: Callable[[str], None] = lambda _step: None
) -> Iterator[Session]:
    """Bring the local stack up; take it down at the end, whatever happens.

    `report` is told of each step. Raises LocalRunError with what went wrong.
    """
    port = require_free(options.port, "--port") if options.port else free_port()
    firehose_port = (
        require_free(options.firehose_port, "--firehose-port")
        if options.firehose_port
        else free_port()
    )
    with ExitStack() as stack:
        report("starting the emulator")
        endpoint_url = stack.enter_context(emulator(port, folder / "emulator"))
        firehose_url = f"http://{LOOPBACK}:{firehose_port}"
        environment = client_environment(
            endpoint_url, AWS_ENDPOINT_URL_FIREHOSE=firehose_url, SLUICE_STACK=STACK_NAME
        )
        deploy(environment, folder, report)
        processes: dict[str, Process] = {}

        def start(name: str, *arguments: str) -> Process:
            process = Process(
                f"the local {name}",
                [sys.executable, "-m", f"local.{name}", "--endpoint-url", endpoint_url, *arguments],
                folder / f"{name}.log",
                {**environment, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            )
            stack.callback(process.stop)
            processes[name] = process
            return process

        report("starting the local Firehose and the local pipe")
        firehose = start(
            "firehose",
            *("--port", str(firehose_port)),
            *("--buffer-seconds", str(options.buffer_seconds)),
        )
        firehose.wait_until(lambda: listening(firehose_port), READY_SECONDS)
        start_pipe(start, firehose_url, folder)
        yield Session(endpoint_url, firehose_url, environment, folder, processes)


def start_pipe(start: Callable[..., Process], firehose_url: str, folder: Path) -> Process:
    """Start the local pipe and wait until it follows the stream."""
    state = folder / "pipe"
    status = state / "status.json"
    pipe = start(
        "pipe",
        *("--firehose-url", firehose_url),
        *("--stack-name", STACK_NAME),
        *("--state-dir", str(state)),
    )
    pipe.wait_until(status.exists, READY_SECONDS)
    return pipe


def deploy(environment: dict[str, str], folder: Path, report: Callable[[str], None]) -> None:
    """Bootstrap the emulator's account and deploy the stack into it, with the real CDK."""
    log = folder / "cdk.log"
    account = f"aws://{environment['CDK_DEFAULT_ACCOUNT']}/{environment['CDK_DEFAULT_REGION']}"
    output = ["--output", str(folder / "cdk.out")]
    report("cdk bootstrap")
    cdk(["bootstrap", account, *CONTEXT, *output], environment, log)
    report("cdk deploy")
    cdk(["deploy", "--require-approval", "never", *CONTEXT, *output], environment, log)


def destroy(environment: dict[str, str], folder: Path) -> None:
    """Destroy the stack, as `cdk destroy` does."""
    output = ["--output", str(folder / "cdk.out")]
    cdk(["destroy", "--force", *CONTEXT, *output], environment, folder / "cdk.log")
