"""`python -m local`: the demonstration, and the stack kept running for development."""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.text import Text

from local.cdk import ROOT, TOOLS
from local.demo import demonstrate
from local.emulator import client_environment
from local.processes import LOOPBACK, LocalRunError, require_free
from local.session import STACK_NAME, Options, Session, running
from local.session import destroy as destroy_stack
from local.supervisor import Supervisor
from sluice.console import PlainConsole

console = PlainConsole()

_Command = TypeVar("_Command", bound=Callable[..., Any])

INTERRUPTED = 130
"""The exit status of a command that Ctrl-C ended, as shells have it."""

WATCH_SECONDS = 1.0


def port_option(name: str, default: int, help: str) -> Callable[[_Command], _Command]:
    """Return an option that names a port."""
    ports = click.IntRange(1, 65_535)
    return click.option(name, type=ports, default=default, show_default=True, help=help)


buffer_option = click.option(
    "--buffer-seconds",
    type=click.FloatRange(0.1, 900),
    default=2.0,
    show_default=True,
    help="How long Firehose buffers here; the deployed stream keeps its own value.",
)

format_option = click.option(
    "--format",
    type=click.Choice(["json", "parquet"]),
    default="json",
    show_default=True,
    help="Format of the lake's objects.",
)


@contextmanager
def _session(options: Options) -> Iterator[tuple[Session, Callable[[str], None]]]:
    """Run a session, and print its steps.

    Its folder lies outside the checkout, where `chalice local` would take each change of a file
    for a change of the code. After a failure the folder stays, for its logs.
    """
    folder = Path(tempfile.mkdtemp(prefix="sluice-"))
    with exit_on_failure(), console.status("") as status:

        def report(step: str) -> None:
            if step:
                console.print(Text.assemble(("·", "cyan"), f" {step}"))
                status.update(Text(step))
                status.start()
            else:
                status.stop()

        try:
            with running(options, folder, report) as session:
                yield session, report
                report("stopping")
        except KeyboardInterrupt:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def exit_on_failure() -> Iterator[None]:
    """Turn a failure or an interrupt into one message and an exit status."""
    try:
        yield
    except LocalRunError as failure:
        console.print(Text.assemble(("error:", "red"), f" {failure}"))
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("interrupted; nothing is left running")
        sys.exit(INTERRUPTED)


@click.group()
def main() -> None:
    """Run the whole pipeline on this machine, without an AWS account."""
    for end in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(end, signal.default_int_handler)


@main.command()
@buffer_option
@format_option
def demo(buffer_seconds: float, format: str) -> None:
    """Deploy into an emulator, send records through, show the partitions."""
    options = Options(buffer_seconds=buffer_seconds, settings=(f"format={format}",))
    with _session(options) as (session, report):
        complete = demonstrate(session, console, report)
    sys.exit(0 if complete else 1)


@main.command()
@port_option("--port", 4566, "Port of the emulator.")
@port_option("--firehose-port", 4573, "Port of Firehose.")
@port_option("--api-port", 8000, "Port of `chalice local`.")
@port_option("--page-port", 8080, "Port of the page.")
@buffer_option
@format_option
def dev(
    port: int,
    firehose_port: int,
    api_port: int,
    page_port: int,
    buffer_seconds: float,
    format: str,
) -> None:
    """Keep the stack running, with the API on `chalice local` and the page, until Ctrl-C."""
    ports = {
        "--port": port,
        "--firehose-port": firehose_port,
        "--api-port": api_port,
        "--page-port": page_port,
    }
    with exit_on_failure():
        require_free(ports)
    options = Options(port, firehose_port, buffer_seconds, (f"format={format}",))
    with _session(options) as (session, report):
        report("starting chalice local")
        session.start_api(api_port)
        report("starting the page")
        session.start_page(page_port, f"http://{LOOPBACK}:{api_port}")
        report("")
        console.print(_welcome(session, api_port, page_port))
        supervisor = Supervisor(session, report_event)
        while True:
            supervisor.look()
            time.sleep(WATCH_SECONDS)


@main.command()
@port_option("--port", 8001, "Port of the API.")
def api(port: int) -> None:
    """Serve the API beside `dev`, on `chalice local` with the latest code, until Ctrl-C.

    A plain `chalice local` does the same, but prints a traceback when the port is in use.
    """
    with exit_on_failure():
        require_free({"--port": port})
    address = ("--host", LOOPBACK, "--port", str(port))
    command = [str(TOOLS / "chalice"), "--project-dir", str(ROOT), "local", *address]
    os.execv(command[0], command)  # noqa: S606


@main.command()
@port_option("--port", 4566, "Port of the running emulator.")
def destroy(port: int) -> None:
    """Destroy the stack that `dev` keeps running: empty its bucket, then `cdk destroy`."""
    environment = client_environment(f"http://{LOOPBACK}:{port}")
    with exit_on_failure(), tempfile.TemporaryDirectory() as folder:
        destroy_stack(environment, Path(folder), lambda step: console.print(f"· {step}"))


def report_event(sentence: str) -> None:
    """Print what happened to a part of the run, and when."""
    console.print(Text.assemble((time.strftime("%H:%M:%S"), "yellow"), f" {sentence}"))


def _welcome(session: Session, api_port: int, page_port: int) -> Text:
    exports = "export " + " ".join(f"{name}={value}" for name, value in session.client.items())
    text = f""" Ctrl-C stops it and forgets its data.

  Page      http://{LOOPBACK}:{page_port}/
  API       http://{LOOPBACK}:{api_port}/records
  AWS       {session.endpoint_url}
  Firehose  {session.firehose_url}
  Logs      {session.folder}

Firehose's buffering, here and as deployed:
{session.buffering()}

In another terminal, any AWS client reaches it with:

  {exports}

  curl -d '{{"siteId": "2", "name": "Name one", "valueOne": 123}}' \\
       -H 'Content-Type: application/json' http://{LOOPBACK}:{api_port}/records
  .venv/bin/sluice tree
"""
    return Text.assemble((f"\n{STACK_NAME} is running.", "bold"), text)


if __name__ == "__main__":
    main()
