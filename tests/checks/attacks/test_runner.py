import hashlib
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from checks.attacks.__main__ import attacks
from checks.attacks.child import dictionary, write_seeds
from checks.attacks.result import Crash, Result
from checks.attacks.runner import read_log
from checks.attacks.targets import FUZZED, fuzzed

ROOT = Path(__file__).parents[3]

STATUS = """\
#2	INITED cov: 4 ft: 4 corp: 1/1b exec/s: 0 rss: 43Mb
#512	NEW    cov: 7 ft: 9 corp: 3/12b lim: 4 exec/s: 100 rss: 43Mb
"""
DONE = STATUS + "Done 7566 runs in 4 second(s)\nstat::number_of_executed_units: 7566\n"
CRASHED = (
    STATUS
    + """
 === Uncaught Python exception: ===
AssertionError: a line is a JSON object
Traceback (most recent call last):
==1== ERROR: libFuzzer: fuzz target exited
artifact_prefix='.attacks/filter/crashes/'; Test unit written to .attacks/filter/crashes/crash-d7da
stat::number_of_executed_units: 600
"""
)
TIMED_OUT = STATUS + "==1== ERROR: libFuzzer: timeout after 20 seconds\n"


def test_a_run_without_crash_is_told_by_its_numbers() -> None:
    result = read_log("filter", DONE, 4.0, failed=False)
    assert result == Result("filter", 7566, 4.0, edges=7)
    assert result.per_second == 7566 / 4


def test_a_crash_is_told_with_its_input_and_how_to_do_it_again() -> None:
    result = read_log("filter", CRASHED, 2.0, failed=True)
    assert result.inputs == 600
    assert result.crashes == (
        Crash(
            "AssertionError: a line is a JSON object",
            ".attacks/filter/crashes/crash-d7da",
            "python -m checks.attacks filter --input .attacks/filter/crashes/crash-d7da",
        ),
    )


def test_an_input_that_takes_too_long_is_a_crash() -> None:
    text = TIMED_OUT + "Test unit written to .attacks/filter/crashes/timeout-1\n"
    (crash,) = read_log("filter", text, 2.0, failed=True).crashes
    assert (crash.reason, crash.input) == (
        "timeout after 20 seconds",
        ".attacks/filter/crashes/timeout-1",
    )


def test_an_attack_that_fails_itself_is_no_success() -> None:
    (crash,) = read_log("filter", "Traceback:\nImportError: no\n", 1.0, failed=True).crashes
    assert crash.reason == "the attack itself failed: ImportError: no"
    assert crash.input is None


def test_an_interrupted_run_counts_the_inputs_it_told_of() -> None:
    assert read_log("filter", STATUS, 1.0, failed=False) == Result("filter", 512, 1.0, edges=7)


def test_seeds_are_named_by_their_content(tmp_path: Path) -> None:
    write_seeds(tmp_path, [b"a", b"b", b"a"])
    names = {hashlib.sha1(seed, usedforsecurity=False).hexdigest() for seed in (b"a", b"b")}
    assert {file.name for file in tmp_path.iterdir()} == names


def test_tokens_are_written_as_the_fuzzer_reads_them() -> None:
    assert dictionary([b'a"\xff', b""]) == '"\\x61\\x22\\xff"\n'


def command(
    tmp_path: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "checks.attacks", "--folder", str(tmp_path), *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_the_fuzzer_the_command_says_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "atheris.py").write_text('raise ImportError("as if it were not installed")')
    ended = command(tmp_path, PYTHONPATH=str(tmp_path))
    assert ended.returncode == 1
    assert "make attack" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_command_attacks_each_target_where_the_fuzzer_is_installed(tmp_path: Path) -> None:
    ended = command(tmp_path, "--seconds", "1", "--json", *FUZZED)
    if find_spec("atheris") is None:
        assert "requirements-attack.txt" in ended.stderr
        return
    results = json.loads(ended.stdout)
    assert [result["target"] for result in results] == list(FUZZED)
    assert all(result["inputs"] > 0 and result["edges"] > 0 for result in results)
    assert [result["crashes"] for result in results] == [[]] * len(FUZZED)
    assert ended.returncode == 0


@pytest.mark.parametrize("name", FUZZED)
def test_an_input_can_be_tried_again_alone(tmp_path: Path, name: str) -> None:
    file = tmp_path / "input"
    file.write_bytes(next(iter(fuzzed(name).seeds())))
    ended = CliRunner().invoke(attacks, [name, "--input", str(file)])
    assert (ended.exit_code, ended.output) == (0, f"{name} keeps its promise with {file}\n")


@pytest.mark.parametrize("names", [[], ["api"], ["filter", "wire"]])
def test_an_input_needs_its_one_target(tmp_path: Path, names: list[str]) -> None:
    (tmp_path / "input").write_bytes(b"")
    ended = CliRunner().invoke(attacks, [*names, "--input", str(tmp_path / "input")])
    assert ended.exit_code == 2
    assert "--input needs one target" in ended.output
