"""Acknowledged records, with and without a journal."""

from contextlib import closing
from pathlib import Path

import pytest

from local.firehose.ledger import Journal, JournalError, Ledger
from tests.local.firehose.stand import START_MS, SetClock


def test_a_new_ledger_takes_up_what_the_journal_holds_unsettled(tmp_path: Path) -> None:
    path = tmp_path / "state" / "journal"
    with closing(Journal(path)) as journal:
        ledger = Ledger("stream", SetClock(), journal)
        first, second, third = ledger.accept([b"1", b"2", b"3"])
        ledger.settle([second.sequence])
    with closing(Journal(path)) as journal:
        resumed = Ledger("stream", SetClock(), journal)
        assert resumed.kept == [first, third]
        assert resumed.unsettled == 2
        (fourth,) = resumed.accept([b"4"])
        assert fourth.sequence > third.sequence
        assert Ledger("another", SetClock(), journal).kept == []


def test_a_record_is_in_the_journal_before_its_put_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    copy = tmp_path / "copy"
    with closing(Journal(path)) as journal:
        accepted = Ledger("stream", SetClock(), journal).accept([b"1"])
        for suffix in ("", "-wal"):
            copy.with_name(f"copy{suffix}").write_bytes(
                path.with_name(f"journal{suffix}").read_bytes()
            )
    with closing(Journal(copy)) as journal:
        assert Ledger("stream", SetClock(), journal).kept == accepted


def test_a_journal_serves_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with closing(Journal(path)), pytest.raises(JournalError, match="another server"):
        Journal(path)


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b"something else " * 1000)
    with pytest.raises(JournalError, match="not a database"):
        Journal(path)


def test_a_full_disk_keeps_the_ledger_as_it_was(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "journal")) as journal:
        ledger = Ledger("stream", SetClock(), journal)
        accepted = ledger.accept([b"x" * 10_000])
        (pages,) = journal._database.execute("PRAGMA page_count").fetchone()
        journal._database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(JournalError, match=r"cannot be written .*full.*; make room"):
            ledger.accept([b"x" * 100_000, b"small"])
        assert ledger.unsettled == 1
        journal._database.execute("PRAGMA max_page_count = 1000000")
        accepted += ledger.accept([b"later"])
        assert Ledger("stream", SetClock(), journal).kept == accepted


def test_ages_go_on_when_the_clock_is_set_back(tmp_path: Path) -> None:
    clock = SetClock(START_MS)
    with closing(Journal(tmp_path / "journal")) as journal:
        ledger = Ledger("stream", clock, journal)
        ledger.accept([b"1"])
        clock.advance(2)
        resumed = Ledger("stream", clock, journal)
        clock.set(-3600)
        clock.advance(1)
        assert ledger.oldest_age_ms == resumed.oldest_age_ms == 3000
        assert Ledger("stream", clock, journal).oldest_age_ms == 0


def test_the_oldest_unsettled_record_tells_the_age() -> None:
    clock = SetClock(START_MS)
    ledger = Ledger("stream", clock)
    assert (ledger.unsettled, ledger.oldest_age_ms) == (0, 0)
    (first,) = ledger.accept([b"1"])
    clock.advance(2)
    ledger.accept([b"2"])
    clock.advance(1)
    assert (ledger.unsettled, ledger.oldest_age_ms) == (2, 3000)
    ledger.settle([first.sequence])
    assert (ledger.unsettled, ledger.oldest_age_ms) == (1, 1000)
