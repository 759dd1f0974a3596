"""The whole local run: emulator, stack, Firehose and feed, up together and down together."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError

from chalicelib.declared import VARIABLE
from local.cdk import ROOT, TOOLS, cdk, require_tools, tools_path
from local.emulator import CREDENTIALS, MiniStack, answers, client_environment, emulator
from local.processes import (
    LOOPBACK,
    STOP_SECONDS,
    LocalRunError,
    Process,
    free_port,
    listening,
    require_free,
)
from local.stream.delivery import BACKOFF_SECONDS_MAX
from local.stream.status import STATUS_FILE
from sluice.errors import OperationError
from sluice.logs import FOLDER_VARIABLE
from sluice.stack import Stack

STACK_NAME = "Sluice-local"
CONTEXT = ["-c", "target=local", "-c", "stage=local"]
READY_SECONDS = 60.0

FEED_PARTS = {"pipe": "pipe", "function": "mapping"}
"""The local part that each feed of a stack needs. It keeps its state in a folder of its name."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a local run."""

    port: int | None = None
    """The emulator's; None for any free one."""
    firehose_port: int | None = None
    buffer_seconds: float = 2.0
    """How long Firehose buffers locally; the deployed stream keeps its own value."""
    settings: tuple[str, ...] = ()
    """The deployment's settings beside its stage and target, such as `format=parquet`."""
    input_template: str | None = None
    """The pipe's template, where it is not to be the deployed one."""


@dataclass(slots=True)
class Session:
    """A local stack: its endpoints, and the processes that supply what the emulator lacks."""

    endpoint_url: str
    firehose_port: int
    buffer_seconds: float
    folder: Path
    """Logs and state of this run."""
    backoff_seconds: float = BACKOFF_SECONDS_MAX
    """The longest pause before the local pipe or mapping retries a failed batch."""
    input_template: str | None = None
    """The local pipe's template; None for the deployed one."""
    python: tuple[str, ...] = (sys.executable, "-m")
    """The command before the module of a local part and its arguments."""
    ministack: MiniStack | None = None
    """The emulator, if the run has one of its own."""
    processes: dict[str, Process] = field(default_factory=dict)
    starts: dict[str, Callable[[], Process]] = field(default_factory=dict)
    """How each process was started, to start it again."""
    settings: tuple[str, ...] = ()
    """The deployment's settings beside its stage and target."""

    @property
    def firehose_url(self) -> str:
        """The endpoint of the local Firehose."""
        return f"http://{LOOPBACK}:{self.firehose_port}"

    @property
    def client(self) -> dict[str, str]:
        """The variables by which an AWS client, `sluice` included, talks to this stack."""
        return {
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ENDPOINT_URL_FIREHOSE": self.firehose_url,
            "SLUICE_STACK": STACK_NAME,
            FOLDER_VARIABLE: str(self.folder),
            **({VARIABLE: os.environ[VARIABLE]} if VARIABLE in os.environ else {}),
        }

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of a process that is such a client."""
        return client_environment(
            self.endpoint_url, **self.client, PYTHONPATH=str(ROOT), PYTHONUNBUFFERED="1"
        )

    def outputs(self) -> Mapping[str, str]:
        """The outputs of the deployed stack."""
        return deployed_stack(self.endpoint_url).outputs

    def start_firehose(self) -> Process:
        """Start the local Firehose and wait until it answers."""
        self.starts["firehose"] = self.start_firehose
        process = self._start(
            "firehose",
            *("--stream", self.outputs()["StreamName"]),
            *("--port", str(self.firehose_port)),
            *("--buffer-seconds", str(self.buffer_seconds)),
            *("--journal", str(self.folder / "firehose.journal")),
        )
        return self._ready(process, lambda: listening(self.firehose_port))

    def buffering(self) -> str:
        """The local Firehose's buffering beside the deployed one, in its own words."""
        lines = self.processes["firehose"].log.read_text().splitlines()
        return "\n".join(line for line in lines if "(deployed:" in line)

    @property
    def feed_part(self) -> str:
        """The part that the deployed feed needs."""
        return FEED_PARTS[deployed_stack(self.endpoint_url).feed]

    def start_feed(self) -> Process:
        """Start the local pipe, or the mapping of the feed function, whichever is deployed.

        Wait until it follows the stream, from its checkpoint if it has one.
        """
        part = self.feed_part
        self.starts[part] = self.start_feed
        state = self.folder / part
        status = state / STATUS_FILE
        status.unlink(missing_ok=True)
        if part == "pipe":
            own = ["--firehose-url", self.firehose_url]
            if self.input_template is not None:
                own += ["--input-template", self.input_template]
        else:
            own = []
            self._reach_firehose()
        process = self._start(
            part,
            *("--stack-name", STACK_NAME),
            *("--state-dir", str(state)),
            *("--backoff-seconds", str(self.backoff_seconds)),
            *own,
        )
        return self._ready(process, status.exists)

    def _reach_firehose(self) -> None:
        """Have the feed function put into the local Firehose, not into the emulator's own."""
        functions = emulator_session().client("lambda", endpoint_url=self.endpoint_url)
        name = self.outputs()["FeedName"]
        settings = functions.get_function_configuration(FunctionName=name)
        functions.update_function_configuration(
            FunctionName=name,
            Environment={
                "Variables": {
                    **settings["Environment"]["Variables"],
                    "AWS_ENDPOINT_URL_FIREHOSE": self.firehose_url,
                }
            },
        )
        functions.get_waiter("function_updated_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 1}
        )

    def start_api(self, port: int) -> Process:
        """Start `chalice local` for this stack's table and wait until it answers."""
        self.starts["api"] = lambda: self.start_api(port)
        require_free({"--api-port": port})
        environment = {**self.environment, "TABLE_NAME": self.outputs()["TableName"]}
        process = chalice_local(port, self.folder / "api.log", environment)
        self.processes["api"] = process
        return self._ready(process, lambda: listening(port))

    def start_page(self, port: int, api_url: str) -> Process:
        """Start the page and wait until it answers."""
        self.starts["page"] = lambda: self.start_page(port, api_url)
        require_free({"--page-port": port})
        process = self._start(
            "page",
            *("--firehose-url", self.firehose_url),
            *("--api-url", api_url),
            *("--stack-name", STACK_NAME),
            *("--feed-state", str(self.folder / self.feed_part)),
            *("--port", str(port)),
        )
        return self._ready(process, lambda: listening(port))

    def redeploy(self, report: "Report") -> None:
        """Deploy the stack as it is declared and set now, with the same table, lake and parts.

        Changes wait in the table's stream until the new transform is there. Another feed reads the
        stream from its oldest change on, as on AWS. Raises LocalRunError.
        """
        before = self.feed_part
        following = before, "firehose"
        for name in following:
            self.processes[name].stop()
        try:
            deploy(self.environment, self.folder, report, self.settings, is_bootstrapped=True)
        finally:
            self.starts["firehose"]()
            if self.feed_part != before:
                del self.processes[before], self.starts[before]
                shutil.rmtree(self.folder / before)
            self.start_feed()
        for name in self.starts.keys() - {self.feed_part, "firehose"}:
            self.processes[name].stop()
            self.starts[name]()

    def pulse(self, name: str) -> object:
        """Return a value that changes while a part works; for the page and the API it always does.

        A pipe or mapping replaces its status twice a second.
        """
        match name:
            case "emulator":
                works = self.ministack is None or self.ministack.answers()
            case "firehose":
                works = answers(f"{self.firehose_url}/status")
            case "pipe" | "mapping":
                with suppress(FileNotFoundError):
                    return (self.folder / name / STATUS_FILE).stat().st_mtime_ns
                works = False
            case _:
                works = True
        return object() if works else None

    def require_running(self) -> None:
        """Raise LocalRunError with the last words of a process that has ended."""
        self.require_emulator()
        for process in self.processes.values():
            process.require_running()

    def require_emulator(self) -> None:
        """Raise LocalRunError when the emulator has ended, and with it all data."""
        if self.ministack and (end := self.ministack.process.end()):
            raise LocalRunError(
                f"{end}; the run ends, as the emulator held all data in memory "
                f"(log: {self.ministack.process.log})"
            )

    def stop(self) -> None:
        """Stop the processes, the last started first; without an emulator none can finish."""
        emulator_ended = self.ministack is not None and not self.ministack.process.running()
        for process in reversed(self.processes.values()):
            process.stop(0 if emulator_ended else STOP_SECONDS)

    def _start(self, name: str, *arguments: str) -> Process:
        process = Process(
            f"the local {name}",
            [*self.python, f"local.{name}", "--endpoint-url", self.endpoint_url, *arguments],
            self.folder / f"{name}.log",
            self.environment,
        )
        self.processes[name] = process
        return process

    def _ready(self, process: Process, ready: Callable[[], bool]) -> Process:
        """Wait until a process is ready, for as long as the emulator runs."""

        def check() -> bool:
            self.require_emulator()
            return ready()

        process.wait_until(check, READY_SECONDS)
        return process


Report = Callable[[str], None]
"""Called with each step as it begins."""


@contextmanager
def running(options: Options, folder: Path, report: Report) -> Iterator[Session]:
    """Bring everything up; take it down at the end, whatever happens.

    Raises LocalRunError with what went wrong.
    """
    require_tools(tools_path(os.environ))
    report("starting the emulator")
    with (
        emulator(options.port or free_port(), folder / "emulator") as ministack,
        deployed(ministack.endpoint_url, options, folder, report) as session,
    ):
        session.ministack = ministack
        yield session


@contextmanager
def deployed(
    endpoint_url: str, options: Options, folder: Path, report: Report
) -> Iterator[Session]:
    """Deploy into a running emulator, and run the local Firehose and the feed's part beside it."""
    session = Session(
        endpoint_url,
        options.firehose_port or free_port(),
        options.buffer_seconds,
        folder,
        input_template=options.input_template,
        settings=options.settings,
    )
    deploy(session.environment, folder, report, options.settings)
    report(f"starting the local Firehose and the local {session.feed_part}")
    try:
        session.start_firehose()
        session.start_feed()
        yield session
    finally:
        session.stop()


def chalice_local(port: int, log: Path, environment: Mapping[str, str]) -> Process:
    """Start `chalice local`. Its server logs the path of each request, with the id in it."""
    return Process(
        "chalice local",
        [
            *(str(TOOLS / "chalice"), "--project-dir", str(ROOT)),
            # A stage of its own: the default one names the default ports.
            *("local", "--stage", "local", "--no-autoreload"),
            *("--host", LOOPBACK, "--port", str(port)),
        ],
        log,
        environment,
    )


def deployed_stack(endpoint_url: str) -> Stack:
    """Look the local stack up. Raises LocalRunError when it is not deployed there."""
    client = emulator_session().client("cloudformation", endpoint_url=endpoint_url)
    try:
        return Stack.named(STACK_NAME, client)
    except (BotoCoreError, OperationError) as error:
        raise LocalRunError(f"no {STACK_NAME} at {endpoint_url}: {error}") from None


def emulator_session() -> boto3.Session:
    """Return a session with the emulator's credentials, never a person's own."""
    return boto3.Session(
        CREDENTIALS["AWS_ACCESS_KEY_ID"],
        CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
    )


def deploy(
    environment: dict[str, str],
    folder: Path,
    report: Report,
    settings: Sequence[str] = (),
    *,
    is_bootstrapped: bool = False,
) -> None:
    """Bootstrap the emulator's account and deploy the stack into it, with the real CDK."""
    account = f"aws://{environment['CDK_DEFAULT_ACCOUNT']}/{environment['CDK_DEFAULT_REGION']}"
    context = [*CONTEXT, *(part for setting in settings for part in ("-c", setting))]
    output = ["--output", str(folder / "cdk.out")]
    if not is_bootstrapped:
        report("cdk bootstrap")
        log = folder / "cdk-bootstrap.log"
        cdk(["bootstrap", account, *output], environment, log, folder=folder)
    report("cdk deploy")
    arguments = ["deploy", "--require-approval", "never", *context, *output]
    cdk(arguments, environment, folder / "cdk-deploy.log")


def destroy(environment: dict[str, str], folder: Path, report: Report) -> None:
    """Empty the bucket and destroy the stack, with the real CDK.

    On AWS the stack empties the bucket itself, by a custom resource that the emulator cannot run.
    """
    endpoint_url = environment["AWS_ENDPOINT_URL"]
    bucket = deployed_stack(endpoint_url).bucket
    report(f"emptying {bucket}")
    s3 = emulator_session().resource("s3", endpoint_url=endpoint_url)
    s3.Bucket(bucket).object_versions.delete()
    report("cdk destroy")
    output = ["--output", str(folder / "cdk.out")]
    arguments = ["destroy", "--force", *CONTEXT, *output]
    cdk(arguments, environment, folder / "cdk-destroy.log")
