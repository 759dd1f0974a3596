"""`python -m local`: the demonstration, and the stack kept running for development."""

import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console

from local.cdk import ROOT
from local.demo import demonstrate
from local.emulator import client_environment
from local.processes import LOOPBACK, LocalRunError, Process, listening, require_free
from local.session import (
    STACK_NAME,
    STATE,
    TABLE_NAME,
    Options,
    Session,
    running,
)
from local.session import destroy as destroy_stack

console = Console(soft_wrap=True, highlight=False)

buffer_option = click.option(
    "--buffer-seconds",
    type=click.FloatRange(0.1, 900),
    default=2.0,
    show_default=True,
    help="How long Firehose buffers here; the deployed stream keeps its own value.",
)


@contextmanager
def _session(options: Options) -> Iterator[tuple[Session, Callable[[str], None]]]:
    """A running session with its steps shown; a failure becomes one message and exit status 1."""
    STATE.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=STATE))
    with console.status("") as status:

        def report(step: str) -> None:
            if step:
                console.print(f"[cyan]·[/cyan] {step}")
                status.update(step)
                status.start()
            else:
                status.stop()

        try:
            with running(options, folder, report) as session:
                yield session, report
                report("stopping")
        except LocalRunError as failure:
            status.stop()
            console.print(f"[red]error:[/red] {failure}", markup=True)
            sys.exit(1)
        except KeyboardInterrupt:
            status.stop()
            console.print("interrupted; nothing is left running")
            sys.exit(130)
    shutil.rmtree(folder, ignore_errors=True)


@click.group()
def main() -> None:
    """Run the whole pipeline on this machine, without an AWS account."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@main.command()
@buffer_option
def demo(buffer_seconds: float) -> None:
    """Deploy into an emulator, send records through, show the partitions."""
    with _session(Options(buffer_seconds=buffer_seconds)) as (session, report):
        complete = demonstrate(session, console, report)
    sys.exit(0 if complete else 1)


@main.command()
@click.option("--port", default=4566, show_default=True, help="Port of the emulator.")
@click.option("--firehose-port", default=4573, show_default=True, help="Port of Firehose.")
@click.option("--api-port", default=8000, show_default=True, help="Port of `chalice local`.")
@click.option("--page-port", default=8080, show_default=True, help="Port of the page.")
@buffer_option
def dev(
    port: int, firehose_port: int, api_port: int, page_port: int, buffer_seconds: float
) -> None:
    """Keep the stack running, with the API on `chalice local` and the page, until Ctrl-C."""
    try:
        require_free(api_port, "--api-port")
        require_free(page_port, "--page-port")
    except LocalRunError as failure:
        console.print(f"[red]error:[/red] {failure}")
        sys.exit(1)
    options = Options(port, firehose_port, buffer_seconds)
    with _session(options) as (session, report):
        report("starting chalice local")
        api = Process(
            "chalice local",
            [
                *(str(Path(sys.executable).with_name("chalice")), "--project-dir", str(ROOT)),
                # A stage of its own: the default one names the default ports.
                *("local", "--stage", "local", "--no-autoreload"),
                *("--host", LOOPBACK, "--port", str(api_port)),
            ],
            session.folder / "api.log",
            {**session.environment, "TABLE_NAME": TABLE_NAME},
        )
        try:
            api.wait_until(lambda: listening(api_port), 30)
            report("starting the page")
            session.start_page(page_port, f"http://{LOOPBACK}:{api_port}")
            report("")
            console.print(_welcome(session, api_port, page_port))
            signal.pause()
        finally:
            api.stop()


@main.command()
@click.option("--port", default=4566, show_default=True, help="Port of the running emulator.")
def destroy(port: int) -> None:
    """Destroy the stack that `dev` keeps running: empty its bucket, then `cdk destroy`."""
    environment = client_environment(f"http://{LOOPBACK}:{port}")
    try:
        with tempfile.TemporaryDirectory() as folder:
            destroy_stack(environment, Path(folder), lambda step: console.print(f"· {step}"))
    except LocalRunError as failure:
        console.print(f"[red]error:[/red] {failure}")
        sys.exit(1)


def _welcome(session: Session, api_port: int, page_port: int) -> str:
    return f"""
[bold]{STACK_NAME} is running.[/bold] Ctrl-C stops it and forgets its data.

  Page      http://{LOOPBACK}:{page_port}/
  API       http://{LOOPBACK}:{api_port}/records
  AWS       AWS_ENDPOINT_URL={session.endpoint_url}  (any credentials)
  Firehose  AWS_ENDPOINT_URL_FIREHOSE={session.firehose_url}
  Logs      {session.folder}

Firehose's buffering, here and as deployed:
{session.buffering()}

In another terminal:

  curl -d '{{"siteId": "2", "name": "Name one", "valueOne": 123}}' \\
       -H 'Content-Type: application/json' http://{LOOPBACK}:{api_port}/records
  AWS_ENDPOINT_URL={session.endpoint_url} .venv/bin/sluice --stack-name {STACK_NAME} tree
"""


if __name__ == "__main__":
    main()
