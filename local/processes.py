"""Child processes of the local run: started on a free port, watched while they get ready, stopped.

Each child leads a process group of its own, so that Ctrl-C reaches only the parent, which then
stops the children in order, and so that a child's own children end with it.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

LOOPBACK = "127.0.0.1"
STOP_SECONDS = 20.0
POLL_SECONDS = 0.05


class LocalRunError(Exception):
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


def captured(
    command: Sequence[str], environment: Mapping[str, str], folder: Path
) -> tuple[int, str, str]:
    """Run a command; return its exit status, output and errors. An interrupt ends it first."""
    with interrupts_held() as interrupts:
        child = subprocess.Popen(  # noqa: S603
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    try:
        if interrupts:
            raise KeyboardInterrupt
        output, errors = child.communicate()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    return child.returncode, output, errors


class Process:
    """A running child with its log file."""

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
        with log.open("wb") as output, interrupts_held() as interrupts:
            self._child = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=folder,
                start_new_session=True,
            )
        self.pid = self._child.pid
        if interrupts:
            self.kill()
            raise KeyboardInterrupt

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

    def kill(self) -> None:
        """End the child at once, as a crash would."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._child.wait()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Ask the child to finish; after `seconds`, kill it and its children."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(seconds)
        self.kill()


def listening(port: int) -> bool:
    """Whether a server accepts connections on the port."""
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
