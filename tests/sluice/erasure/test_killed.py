"""The command itself, killed at its worst moments and run twice at once."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chalicelib.keys import Texts, texts_of
from tests.declaring import WORKED, change, items_of
from tests.deploying import deployed_outputs
from tests.sluice.erasure.bucket import Bucket, error_line, history, quoted

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def deployed(bucket: Bucket, aws_environment: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a stack of CloudFormation with the outputs of the bucket's."""
    aws_environment.setenv("SLUICE_SCHEMA", str(WORKED / "sensors.py"))
    with deployed_outputs(bucket.stack.outputs) as name:
        yield name


@pytest.fixture
def erasing(deployed: str, tmp_path: Path) -> Callable[[Path], subprocess.Popen[str]]:
    """Starts the command for a file of keys."""

    def start(keys: Path) -> subprocess.Popen[str]:
        options = ["--stack-name", deployed, "erase", "--from", str(keys), "--yes"]
        return subprocess.Popen(
            [sys.executable, "-m", "sluice", *options],
            cwd=ROOT,
            env={**os.environ, "HOME": str(tmp_path)},
            text=True,
        )

    return start


def fill(bucket: Bucket) -> tuple[set[Texts], set[Texts]]:
    """Fill a bucket; return the keys that are to go, and the others."""
    items = items_of(bucket.table, 60)
    payloads = [each for number, item in enumerate(items) for each in history(item, 9 * number)]
    bucket.deliver(payloads, lines=2)
    for key in bucket.deliver(payloads[:30], lines=2):
        bucket.delete(key)
    bucket.put("errors/a", b"".join(error_line(change(item, 1)) for item in items))
    keys = [texts_of(bucket.table, item) for item in items]
    return set(keys[:20]), set(keys[20:])


def test_killed_at_any_moment_it_goes_on_and_nothing_is_left(
    bucket: Bucket, erasing: Callable[[Path], subprocess.Popen[str]], tmp_path: Path
) -> None:
    gone, others = fill(bucket)
    keys = tmp_path / "keys"
    keys.write_text("\n".join(key for (key,) in gone))

    def versions() -> set[tuple[str, str]]:
        return set(bucket.versions())

    def remembered() -> int:
        return sum(key.startswith("erased/keys/") for key, _ in bucket.versions())

    first, known = versions(), remembered()
    moments: dict[str, Callable[[], bool]] = {
        "the search is noted": lambda: bool(list(tmp_path.rglob("erase-*.json"))),
        "the keys are remembered": lambda: remembered() > known,
        "versions are deleted": lambda: not first <= versions(),
    }
    for name, has_come in moments.items():
        with erasing(keys) as run:
            while not has_come():
                assert run.poll() is None, f"the run ended before {name}"
            run.kill()
        assert run.returncode == -signal.SIGKILL
    assert quoted(bucket.table, gone, bucket.bytes()), "the last kill came too late"
    with erasing(keys) as run:
        assert run.wait() == 0

    everything = bucket.bytes()
    assert quoted(bucket.table, gone, everything) == set()
    assert quoted(bucket.table, others, everything) == others
    assert not list(tmp_path.rglob("erase-*"))


def test_two_runs_at_once_do_not_harm_each_other(
    bucket: Bucket, erasing: Callable[[Path], subprocess.Popen[str]], tmp_path: Path
) -> None:
    gone, others = fill(bucket)
    keys = tmp_path / "keys"
    keys.write_text("\n".join(key for (key,) in gone))
    with erasing(keys) as one, erasing(keys) as other:
        assert (one.wait(), other.wait()) == (0, 0)
    everything = bucket.bytes()
    assert quoted(bucket.table, gone, everything) == set()
    assert quoted(bucket.table, others, everything) == others
