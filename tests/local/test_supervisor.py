"""What is done, and said, when a part of the local run ends or does nothing."""

import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from local.emulator import MiniStack
from local.processes import LocalRunError, Process
from local.session import Session
from local.supervisor import Patience, Supervisor

FOREVER = "import time\nwhile True: time.sleep(0.05)"
BUG = "raise ValueError('a bug')"


class Parts:
    """A session of small processes, its supervisor, what that said, and the time it goes by."""

    def __init__(self, folder: Path) -> None:
        self.session = Session("http://127.0.0.1:1", 1, 1.0, folder)
        self.said: list[str] = []
        self.now = 0.0
        self.supervisor = Supervisor(
            self.session, self.said.append, Patience(restarts=2), lambda: self.now
        )

    def start(self, name: str, code: str = FOREVER) -> Process:
        """Start a process; it is started again with the same code."""
        log = self.session.folder / f"{name}.log"
        process = Process(f"the local {name}", [sys.executable, "-c", code], log, os.environ)
        self.session.processes[name] = process
        self.session.starts[name] = partial(self.start, name, code)
        return process

    def beat(self) -> None:
        """Make the pipe's status as new as its supervisor's clock."""
        status = self.session.folder / "pipe" / "status.json"
        status.parent.mkdir(exist_ok=True)
        status.touch()
        os.utime(status, (self.now, self.now))

    def look(self, seconds: float = 1.0) -> list[str]:
        """Let time pass and look; return what was said."""
        self.now += seconds
        self.said.clear()
        self.supervisor.look()
        return list(self.said)


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    parts = Parts(tmp_path)
    yield parts
    parts.session.stop()


def test_a_killed_part_is_restarted_and_its_end_is_reported_in_one_line(parts: Parts) -> None:
    first = parts.start("page")
    assert parts.look() == []
    first.kill()
    assert parts.look() == [
        "the local page was killed by SIGKILL; restarting it, it goes on with what it reads anew"
    ]
    assert parts.session.processes["page"].running()
    assert parts.session.processes["page"].pid != first.pid
    assert parts.look() == []


def test_a_part_that_keeps_ending_is_given_up_with_its_reason_and_its_logs(parts: Parts) -> None:
    parts.start("api", BUG)
    said = []
    for _ in range(5):
        parts.session.processes["api"].wait(30)
        said += parts.look()
    assert len(said) == 3
    assert all(line.startswith("the local api ended (1): ValueError: a bug; ") for line in said)
    assert "given up after 2 restarts, the rest of the run goes on (log: " in said[2]
    logs = sorted(path.name for path in parts.session.folder.glob("*.log"))
    assert logs == ["api.1.log", "api.2.log", "api.log"]


def test_a_part_that_ends_now_and_then_is_restarted_each_time(parts: Parts) -> None:
    parts.start("api", BUG)
    for _ in range(5):
        parts.session.processes["api"].wait(30)
        (line,) = parts.look(seconds=100)
        assert "restarting it" in line


def test_a_part_that_cannot_be_restarted_is_tried_again(parts: Parts) -> None:
    def refuse() -> Process:
        raise LocalRunError("port 1 is in use\nand more")

    parts.start("page").kill()
    start, parts.session.starts["page"] = parts.session.starts["page"], refuse
    assert parts.look()[1:] == ["the local page could not be restarted: port 1 is in use"]
    parts.session.starts["page"] = start
    assert len(parts.look()) == 1
    assert parts.session.processes["page"].running()


def test_a_part_that_does_nothing_is_reported_and_killed_when_it_lasts(parts: Parts) -> None:
    first = parts.start("pipe")
    for _ in range(20):
        parts.beat()
        assert parts.look() == []
    assert parts.look(6) == ["the local pipe has done nothing for 6 s; waiting for it"]
    assert parts.look() == []
    parts.beat()
    assert parts.look() == ["the local pipe works again"]
    assert parts.look(6) == ["the local pipe has done nothing for 6 s; waiting for it"]
    assert parts.look(76) == [
        "the local pipe did nothing for too long and was killed; "
        "restarting it, it goes on from its checkpoint"
    ]
    assert not first.running()
    assert parts.session.processes["pipe"].running()


def test_a_run_ends_with_its_emulator_and_says_how_that_ended(parts: Parts, tmp_path: Path) -> None:
    code = "print('out of memory')\n" + FOREVER
    emulator = Process("the emulator", [sys.executable, "-uc", code], tmp_path / "log", os.environ)
    emulator.wait_until(lambda: "memory" in emulator.log.read_text(), 30)
    parts.session.ministack = MiniStack("http://127.0.0.1:1", emulator)
    assert parts.look() == []
    assert parts.look(6) == ["the emulator has done nothing for 6 s; waiting for it"]
    emulator.kill()
    with pytest.raises(LocalRunError) as end:
        parts.look()
    assert str(end.value) == (
        "the emulator was killed by SIGKILL; the run ends, as the emulator held "
        f"all data in memory (log: {emulator.log})"
    )


def test_while_the_emulator_does_nothing_no_part_that_waits_for_it_is_restarted(
    parts: Parts, tmp_path: Path
) -> None:
    pipe = parts.start("pipe")
    parts.beat()
    emulator = Process(
        "the emulator", [sys.executable, "-c", FOREVER], tmp_path / "log", os.environ
    )
    parts.session.ministack = MiniStack("http://127.0.0.1:1", emulator)
    for _ in range(5):
        assert all(line.startswith("the emulator") for line in parts.look(100))
    assert pipe.running()
    emulator.kill()


def test_a_folder_that_cannot_be_written_is_reported_and_nothing_restarted(parts: Parts) -> None:
    part = parts.start("page")
    probe = parts.session.folder / "probe"
    probe.mkdir()
    part.kill()
    (line,) = parts.look()
    assert "cannot be written: Is a directory; changes wait" in line
    assert parts.look() == []
    probe.rmdir()
    written, restarted = parts.look()
    assert written == f"{parts.session.folder} can be written again"
    assert restarted.startswith("the local page was killed by SIGKILL")
