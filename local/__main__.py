"""`python -m local`: the demonstration, and the stack kept running for development."""

import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import click
import msgspec
from rich.text import Text

from chalicelib import declared
from chalicelib.errors import SluiceError
from local.cdk import ROOT, TOOLS
from local.changes import load, load_into
from local.demo import demonstrate
from local.emulator import client_environment
from local.processes import LOOPBACK, require_free
from local.reload import Reloader
from local.session import STACK_NAME, Options, Session, running
from local.session import destroy as destroy_stack
from local.shapes import Shape, shapes_table
from local.supervisor import Supervisor
from sluice.console import PlainConsole
from sluice.seed import records

console = PlainConsole()

_Command = TypeVar("_Command", bound=Callable[..., Any])

INTERRUPTED = 130
"""The exit status of a command that Ctrl-C ended, as shells have it."""

WATCH_SECONDS = 1.0

TABLE_WIDTH = 240
"""Wide enough for any declaration, wherever it is printed."""


def port_option(name: str, default: int, help: str) -> Callable[[_Command], _Command]:
    """Return an option that names a port."""
    ports = click.IntRange(1, 65_535)
    return click.option(name, type=ports, default=default, help=help)


buffer_option = click.option(
    "--buffer-seconds",
    type=click.FloatRange(0.1, 900),
    default=2.0,
    help="How long Firehose buffers here; the deployed stream keeps its own value.",
)

format_option = click.option(
    "--format",
    type=click.Choice(["json", "parquet"]),
    help="Format of the lake's objects: short for -c format=...",
)


def _declare(_: click.Context, __: click.Parameter, path: Path | None) -> None:
    """Have this process and all that it starts read this declaration."""
    if path is not None:
        os.environ[declared.VARIABLE] = str(path.resolve())


schema_option = click.option(
    "--schema",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar=declared.VARIABLE,
    show_envvar=True,
    callback=_declare,
    expose_value=False,
    help="The file that declares the table.  [default: the one that ships]",
)

_OWN_SETTINGS = {
    "stage": "it is local here",
    "target": "it is local here",
    "schema": "name the file with --schema",
}
"""The settings that a local run has its own way of choosing."""


def _check_settings(
    _: click.Context, __: click.Parameter, settings: tuple[str, ...]
) -> tuple[str, ...]:
    for setting in settings:
        name, is_setting, _value = setting.partition("=")
        if not is_setting or not name:
            raise click.BadParameter(f"{setting!r} is not a setting; write it as NAME=VALUE")
        if name in _OWN_SETTINGS:
            raise click.BadParameter(f"{name} is not to be set: {_OWN_SETTINGS[name]}")
    return settings


settings_option = click.option(
    "-c",
    "settings",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_check_settings,
    help="A setting of the deployment, as `cdk deploy -c` takes it; docs/settings.md lists them.",
)


items_option = click.option(
    "--items",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of items to load into the table: what `aws dynamodb scan` prints, or DynamoDB "
    "JSON, a line for each, as in an export; gzipped or not.",
)


def deployment_options(command: _Command) -> _Command:
    """Give a command the options of a deployment: settings, declaration, buffering."""
    for option in (buffer_option, format_option, items_option, settings_option, schema_option):
        command = option(command)
    return command


def _settings(settings: tuple[str, ...], format: str | None) -> tuple[str, ...]:
    """Return the settings of a deployment of the declaration. Raises SchemaError if it is wrong."""
    declared.declared()
    # Also from the variable, which a shell may still have of an earlier run.
    if schema := os.environ.get(declared.VARIABLE):
        console.print(Text.assemble(("·", "cyan"), f" the table is that of {schema}"))
    return (
        *((f"schema={schema}",) if schema else ()),
        *((f"format={format}",) if format else ()),
        *settings,
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
    except SluiceError as failure:
        print_failure(failure)
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("interrupted; nothing is left running")
        sys.exit(INTERRUPTED)


def print_failure(failure: SluiceError) -> None:
    """Print why something cannot be done."""
    console.print(Text.assemble(("error:", "red"), f" {failure}"))


@click.group(context_settings={"show_default": True})
def main() -> None:
    """Run the whole pipeline on this machine, without an AWS account."""
    for end in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(end, signal.default_int_handler)


@main.command()
@deployment_options
def demo(
    buffer_seconds: float, format: str | None, file: Path | None, settings: tuple[str, ...]
) -> None:
    """Deploy into an emulator, send changes through, and check all that comes out.

    Exits 1 when a change is missing, a saved query answers wrongly, or lake and table differ.
    """
    with exit_on_failure():
        options = Options(buffer_seconds=buffer_seconds, settings=_settings(settings, format))
        items = load(declared.declared(), file) if file else None
    with _session(options) as (session, report):
        outcome = demonstrate(session, console, report, items)
    sys.exit(0 if outcome.is_complete else 1)


@main.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def shapes(files: tuple[Path, ...]) -> None:
    """Run the demonstration for declarations, and print what came of each in one table.

    Without files: for the one that ships and all of tables/. Exits 1 when one is not complete.
    """
    rows = []
    every = files or (declared.DEFAULT, *sorted((ROOT / "tables").glob("*.py")))
    # The one that ships is among tables/ too.
    for path, file in {file.resolve(): file for file in every}.items():
        console.print(Text(f"\n{file.stem}", style="bold"))
        os.environ[declared.VARIABLE] = str(path)
        started = time.monotonic()
        table = outcome = None
        try:
            table = declared.load(file)
            with _session(Options(settings=_settings((), None))) as (session, report):
                outcome = demonstrate(session, console, report)
        except SystemExit as end:
            if end.code == INTERRUPTED:
                raise
        except SluiceError as failure:
            print_failure(failure)
        rows.append(Shape(file.stem, table, outcome, time.monotonic() - started))
    console.print(shapes_table(rows), width=TABLE_WIDTH, crop=False)
    sys.exit(0 if all(row.is_complete for row in rows) else 1)


@main.command()
@port_option("--port", 4566, "Port of the emulator.")
@port_option("--firehose-port", 4573, "Port of Firehose.")
@port_option("--api-port", 8000, "Port of `chalice local`.")
@port_option("--page-port", 8080, "Port of the page.")
@deployment_options
def dev(
    port: int,
    firehose_port: int,
    api_port: int,
    page_port: int,
    buffer_seconds: float,
    format: str | None,
    file: Path | None,
    settings: tuple[str, ...],
) -> None:
    """Keep the stack running, with the API on `chalice local` and the page, until Ctrl-C."""
    ports = {
        "--port": port,
        "--firehose-port": firehose_port,
        "--api-port": api_port,
        "--page-port": page_port,
    }
    with exit_on_failure():
        items = load(declared.declared(), file) if file else None
        require_free(ports)
        options = Options(port, firehose_port, buffer_seconds, _settings(settings, format))
    with _session(options) as (session, report):
        if items is not None:
            report(f"loading the items of {file}")
            load_into(session, items)
        report("starting chalice local")
        session.start_api(api_port)
        report("starting the page")
        session.start_page(page_port, f"http://{LOOPBACK}:{api_port}")
        report("")
        console.print(_welcome(session, api_port, page_port))
        supervisor = Supervisor(session, report_event)
        file = Path(os.environ.get(declared.VARIABLE) or declared.DEFAULT)
        reloader = Reloader(
            file, declared.declared(), lambda: session.redeploy(lambda _: None), report_event
        )
        while True:
            supervisor.look()
            reloader.look()
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
    exports = "export " + " ".join(
        f"{name}={shlex.quote(value)}" for name, value in session.client.items()
    )
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

  curl -d {shlex.quote(_example())} \\
       -H 'Content-Type: application/json' http://{LOOPBACK}:{api_port}/records
  .venv/bin/sluice tree
"""
    return Text.assemble((f"\n{STACK_NAME} is running.", "bold"), text)


def _example() -> str:
    """Return a record to post, as JSON: the declaration's first example, or one that is made up."""
    table = declared.declared()
    record = next(iter(table.examples), None) or records(table, 1, Random())[0]  # noqa: S311
    return msgspec.json.Encoder(decimal_format="number").encode(record).decode()


if __name__ == "__main__":
    main()
