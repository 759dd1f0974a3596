"""Commands of the local run, started as a terminal starts them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.cdk import ROOT


@contextmanager
def started(*arguments: str, mark: str = "") -> Iterator[subprocess.Popen[str]]:
    """A command of the local run as a terminal starts it; interrupted at the end if need be."""
    command = [sys.executable, "-m", "local", *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "SLUICE_TEST_RUN": mark}
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as run:
        try:
            yield run
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGINT)
                run.communicate(timeout=60)


def read_until(run: subprocess.Popen[str], text: str) -> str:
    assert run.stdout
    seen = ""
    while text not in seen:
        line = run.stdout.readline()
        assert line, seen
        seen += line
    return seen


def processes_of_run(mark: str) -> dict[int, str]:
    """Return the living processes that inherited a run's mark, by id, with their command lines."""
    variable = f"SLUICE_TEST_RUN={mark}".encode()
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and variable in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
    return found
