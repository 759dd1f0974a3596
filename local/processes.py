"""Child processes of the local run: started on a free port, watched while they get ready, stopped.

Each child leads a process group of its own, so that Ctrl-C reaches the parent alone, which then
stops the children in order, and so that a child's own children go with it.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

LOOPBACK = "127.0.0.1"
STOP_SECONDS = 20.0
POLL_SECONDS = 0.05


class LocalRunError(Exception):
    """Why the local run cannot go on, and what to do about it, in words for a person."""


def free_port() -> int:
    """A port on loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def require_free(port: int, option: str) -> int:
    """The port, when it is free. Raises LocalRunError naming the option that chooses another."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            raise LocalRunError(
                f"port {port} on {LOOPBACK} is in use; stop what listens there, "
                f"or choose another port with {option}"
            ) from None
    return port


class Process:
    """A running child with its log file."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self._child = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
            )
        self.pid = self._child.pid

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until `ready` holds. Raises LocalRunError when the child ends or time runs out."""
        deadline = time.monotonic() + seconds
        while not ready():
            if (code := self._child.poll()) is not None:
                raise LocalRunError(f"{self.name} ended with status {code}:\n{self.last_words()}")
            if time.monotonic() > deadline:
                raise LocalRunError(
                    f"{self.name} was not ready after {seconds:.0f} s:\n{self.last_words()}"
                )
            time.sleep(POLL_SECONDS)

    def running(self) -> bool:
        """Whether the child has not ended."""
        return self._child.poll() is None

    def last_words(self, lines: int = 15) -> str:
        """The end of the log, with its path."""
        text = self.log.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join([*text, f"(whole log: {self.log})"])

    def kill(self) -> None:
        """End the child at once, as a crash would."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._child.wait()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Ask the child to finish, and kill what is left of it after `seconds`."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(seconds)
        self.kill()


def listening(port: int) -> bool:
    """Whether a server accepts connections on the port."""
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
