"""Waiting for what must arrive in the lake."""

from pathlib import Path
from types import MappingProxyType

import pytest

from local.arrivals import Arrivals, Status
from local.processes import LocalRunError, Process
from local.session import Session
from sluice.stack import Stack


class Scripted(Arrivals):
    """Arrivals of which each reading brings one line."""

    counts: Status = MappingProxyType({"quarantined": 0, "dropped": 0})
    readings = 0
    readings_max = 3

    def status(self) -> Status:
        return self.counts

    def read(self) -> None:
        self.readings += 1
        if len(self.lines) < self.readings_max:
            self.lines.append({"changeType": "SNAPSHOT" if self.lines else "INSERT"})


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session("http://127.0.0.1:1", 1, 1.0, tmp_path)


@pytest.fixture
def arrivals(session: Session, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    monkeypatch.setattr("local.arrivals.POLL_SECONDS", 0.0)
    return Scripted(session, Stack("Sluice-test", {}))


def test_lines_are_waited_for_and_those_of_a_backfill_counted_apart(arrivals: Scripted) -> None:
    assert arrivals.wait_for(1, 2, 0)
    assert (arrivals.readings, arrivals.changes) == (3, 1)


def test_what_is_in_quarantine_or_dropped_is_not_waited_for(arrivals: Scripted) -> None:
    arrivals.counts = {"quarantined": 2, "dropped": 1}
    assert arrivals.wait_for(3, 0, 1)
    assert arrivals.readings == 1


def test_waiting_ends_after_the_delivery_time(
    arrivals: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.arrivals.DELIVERY_SECONDS", 0.05)
    assert not arrivals.wait_for(4, 0, 0)


def test_waiting_ends_with_a_part_of_the_run(
    arrivals: Scripted, session: Session, tmp_path: Path
) -> None:
    process = Process("the pipe", ["false"], tmp_path / "pipe.log", {})
    process.wait(10)
    session.processes["pipe"] = process
    with pytest.raises(LocalRunError, match="the pipe ended"):
        arrivals.wait_for(4, 0, 0)
