"""The command itself, killed at its worst moments beside a writer and lines that come again.

`make crash` does it at full size, through the whole local pipeline.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from random import Random

import pytest

from chalicelib.catalog import CURRENT, HISTORY, key_columns
from checks.crash.moments import MOMENTS
from sluice.compaction.rows import EVENT_ID, SEQUENCE
from sluice.verify.compare import verify
from tests.declaring import WORKED, change, items_of
from tests.deploying import deployed_outputs
from tests.sluice.compaction.lake import Lake

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def lake(lake_of: Callable[[str], Lake], aws_environment: pytest.MonkeyPatch) -> Lake:
    """The lake of a table with many records."""
    made = lake_of("sensors")
    aws_environment.setenv("SLUICE_SCHEMA", str(WORKED / "sensors.py"))
    return made


@pytest.fixture
def deployed(lake: Lake) -> Iterator[str]:
    """The name of a stack of CloudFormation with the outputs of the lake's."""
    with deployed_outputs(lake.stack.outputs) as name:
        yield name


def compacting(stack_name: str) -> subprocess.Popen[str]:
    options = ["--older-than", "0s", "--keep-deleted", "36500"]  # The changes are years old.
    command = ["-m", "sluice", "--stack-name", stack_name, "compact", *options]
    return subprocess.Popen([sys.executable, *command], cwd=ROOT, text=True)


def test_killed_at_any_moment_beside_a_writer_and_a_replay_nothing_is_lost_or_there_twice(
    lake: Lake, deployed: str
) -> None:
    items = items_of(lake.table, 200)
    last: dict[int, bytes] = {}
    numbers = count(10_000)
    chance = Random(11)  # noqa: S311

    def write(number_of_changes: int) -> None:
        """Write changes of records, and some again that may be compacted already."""
        payloads = []
        for _ in range(number_of_changes):
            place, number = chance.randrange(len(items)), next(numbers)
            name = "REMOVE" if number % 5 == 0 else "MODIFY"
            last[place] = change(items[place], number, name)
            payloads.append(last[place])
        lake.payloads += payloads
        lake.write([*payloads, *chance.sample(lake.payloads, min(9, number_of_changes))])

    for moment in MOMENTS.values():
        write(150)
        before = moment(lake.stack)
        with compacting(deployed) as run:
            while moment(lake.stack) == before:
                assert run.poll() is None, "the run ended before it could be killed"
                write(1)
            run.kill()
        assert run.returncode == -signal.SIGKILL
    write(20)
    while lake.stored():
        with compacting(deployed) as run:
            assert run.wait() == 0

    changes = {json.loads(payload)["eventID"] for payload in lake.payloads}
    ids = [row[EVENT_ID] for row in lake.rows(HISTORY)]
    assert len(ids) == len(set(ids))
    assert set(ids) == changes
    key_names = key_columns(lake.table)
    current = {tuple(row[key] for key in key_names): row[SEQUENCE] for row in lake.rows(CURRENT)}
    assert current == lake.latest()
    in_table = {place: payload for place, payload in last.items() if b"REMOVE" not in payload}
    live = [items[place] for place in in_table]
    live += [each for number, each in enumerate(lake.items) if number not in last and number % 3]
    comparison = verify(lake, lake.table, iter(live), lambda _differing: None, last_changes=True)
    assert (comparison.drifts, comparison.problems) == ([], [])
