"""Child processes of the local run: started on a free port, watched while they get ready, stopped.

Each child leads a process group of its own, so that Ctrl-C reaches only the parent, which then
stops the children in order, and so that a child's own children end with it. A watchdog ends the
groups of a parent that died without stopping them.
"""

import atexit
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import IO

from chalicelib.errors import SluiceError

LOOPBACK = "127.0.0.1"
STOP_SECONDS = 20.0
POLL_SECONDS = 0.05
LINE_CHARACTERS_MAX = 300
"""Of a log's last line that is repeated in a message."""


class LocalRunError(SluiceError):
    """The reason why the local run cannot go on, and the remedy, in words for a person."""


def free_port() -> int:
    """Return a port on loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def require_free(ports: Mapping[str, int]) -> None:
    """Check that ports, by the option that chooses each, are free and all different.

    Raises LocalRunError naming the port and the option.
    """
    chosen: dict[int, str] = {}
    for option, port in ports.items():
        if port in chosen:
            raise LocalRunError(
                f"{option} and {chosen[port]} both name port {port}; choose another for one of them"
            )
        chosen[port] = option
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                raise LocalRunError(
                    f"port {port} on {LOOPBACK} is in use; stop what listens there, "
                    f"or choose another port with {option}"
                ) from None


@contextmanager
def interrupts_held() -> Iterator[list[int]]:
    """Note the signals that end a run, and do no more, so that none interrupts a child's start."""
    held: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _frame: held.append(number))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield held
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@cache
def _watchdog() -> IO[bytes]:
    """Start this process's watchdog; return the pipe to it, which closes when this process ends."""
    child = subprocess.Popen(  # noqa: S603
        [sys.executable, "-I", "-S", str(Path(__file__).with_name("watchdog.py"))],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={},
        start_new_session=True,
    )
    atexit.register(child.communicate)
    assert child.stdin  # noqa: S101
    return child.stdin


def _note(group: int) -> None:
    """Note for the watchdog that a process group runs, or with a negative number that it ended."""
    with suppress(BrokenPipeError):
        _watchdog().write(b"%d\n" % group)


def _started(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path | None,
    output: IO[bytes] | int,
    errors: int,
) -> subprocess.Popen[str]:
    """Start a child at the head of its own process group. An interrupt ends it first."""
    with interrupts_held() as interrupts:
        child = subprocess.Popen(  # noqa: S603
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        _note(child.pid)
    if interrupts:
        _end(child)
        raise KeyboardInterrupt
    return child


def _end(child: subprocess.Popen[str]) -> None:
    """Kill a child and its own children."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    _note(-child.pid)


def captured(
    command: Sequence[str], environment: Mapping[str, str], folder: Path
) -> tuple[int, str, str]:
    """Run a command; return its exit status, output and errors. An interrupt ends it first."""
    child = _started(command, environment, folder, subprocess.PIPE, subprocess.PIPE)
    try:
        output, errors = child.communicate()
    finally:
        _end(child)
    return child.returncode, output, errors


class Process:
    """A running child with its log file; an earlier log of that name is kept under another."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists():
            log.rename(next(path for n in count(1) if not (path := _numbered(log, n)).exists()))
        with log.open("wb") as output:
            self._child = _started(command, environment, folder, output, subprocess.STDOUT)
        self.pid = self._child.pid

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until `ready` holds. Raises LocalRunError when the child ends or time runs out."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.require_running()
            if time.monotonic() > deadline:
                raise LocalRunError(
                    f"{self.name} was not ready after {seconds:.0f} s:\n{self.last_words()}"
                )
            time.sleep(POLL_SECONDS)

    def running(self) -> bool:
        """Whether the child has not ended."""
        return self._child.poll() is None

    def require_running(self) -> None:
        """Raise LocalRunError with the child's last words when it has ended."""
        if (code := self._child.poll()) is not None:
            raise LocalRunError(f"{self.name} ended with status {code}:\n{self.last_words()}")

    def wait(self, seconds: float) -> int | None:
        """Return the child's exit status; None when it has not ended after `seconds`."""
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def last_words(self, lines: int = 15) -> str:
        """Return the end of the log, with its path."""
        text = self.log.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join([*text, f"(whole log: {self.log})"])

    def end(self) -> str | None:
        """Return in one line how the child ended, with the last line that it could log on that.

        None while it runs.
        """
        if (code := self._child.poll()) is None:
            return None
        if code == -signal.SIGKILL:
            return f"{self.name} was killed by SIGKILL"
        # An exception group is drawn with a frame.
        lines = [line.strip(" |+-") for line in self.last_words().splitlines()[:-1]]
        lines = list(filter(None, lines))
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended ({code})"
        return f"{self.name} {how}: {lines[-1][:LINE_CHARACTERS_MAX] if lines else 'no last words'}"

    def kill(self) -> None:
        """End the child at once, as a crash would, with its own children."""
        _end(self._child)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Ask the child to finish; after `seconds`, kill it and its children."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(seconds)
        self.kill()


def _numbered(log: Path, number: int) -> Path:
    return log.with_name(f"{log.stem}.{number}{log.suffix}")


def listening(port: int) -> bool:
    """Whether a server accepts connections on the port."""
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
