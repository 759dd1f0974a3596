import os
import re
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from checks.attacks.__main__ import FOLDER, attacks
from checks.attacks.fuzz import FINDING, SETTINGS, attack, properties
from checks.attacks.runner import LOG, Result, read_result

ROOT = Path(__file__).parents[3]

STATUS = """\
#2	INITED cov: 4 ft: 4 corp: 1/1b exec/s: 0 rss: 43Mb
#512	NEW    cov: 7 ft: 9 corp: 3/12b lim: 4 exec/s: 100 rss: 43Mb
"""
DONE = STATUS + "Done 7566 runs in 4 second(s)\nstat::number_of_executed_units: 7566\n"
TIMED_OUT = (
    STATUS
    + """\
==1== ERROR: libFuzzer: timeout after 20 seconds
artifact_prefix='f/'; Test unit written to f/timeout-1
"""
)


def log(folder: Path, text: str) -> Path:
    (folder / LOG).write_text(text)
    return folder


def test_a_run_without_finding_is_reported_by_its_numbers(tmp_path: Path) -> None:
    result = read_result("wire.batch", log(tmp_path, DONE), 4.0, failed=False)
    assert result == Result("wire.batch", 7566, 4.0, edges=7)


def test_an_interrupted_run_counts_the_inputs_that_it_reported(tmp_path: Path) -> None:
    result = read_result("wire.batch", log(tmp_path, STATUS), 1.0, failed=False)
    assert result == Result("wire.batch", 512, 1.0, edges=7)


def test_a_broken_promise_is_reported_in_the_words_of_hypothesis(tmp_path: Path) -> None:
    (tmp_path / FINDING).write_text("AssertionError: no")
    text = STATUS + "artifact_prefix='f/'; Test unit written to f/crash-d7da\n"
    result = read_result("wire.batch", log(tmp_path, text), 2.0, failed=True)
    assert result.finding == "AssertionError: no"
    assert result.replay == "python -m checks.attacks wire.batch --input f/crash-d7da"


def test_an_input_that_takes_too_long_is_a_finding(tmp_path: Path) -> None:
    result = read_result("wire.batch", log(tmp_path, TIMED_OUT), 2.0, failed=True)
    assert "timeout after 20 seconds" in str(result.finding)
    assert result.replay == "python -m checks.attacks wire.batch --input f/timeout-1"


def test_an_attack_that_fails_itself_is_no_success(tmp_path: Path) -> None:
    result = read_result("api", log(tmp_path, "Traceback:\nImportError: no\n"), 1.0, failed=True)
    assert (result.finding, result.replay) == ("Traceback:\nImportError: no", None)


def test_an_input_that_has_run_out_goes_on_with_the_simplest_choices() -> None:
    tried: list[tuple[int, list[str]]] = []

    @given(st.integers(0, 255), st.lists(st.text()))
    def collect(number: int, texts: list[str]) -> None:
        tried.append((number, texts))

    attack(collect, b"\x07")
    assert tried == [(7, [])]


def test_a_failing_input_is_made_small_and_kept_for_the_suite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tried: list[int] = []

    def property_of_small_numbers() -> Any:
        @given(st.integers(0, 2**32 - 1))
        def small(number: int) -> None:
            tried.append(number)
            assert number < 1000, "it is small"

        return small

    with pytest.raises(AssertionError, match="it is small") as raised:
        attack(SETTINGS(property_of_small_numbers()), b"\xff" * 8)
    report = "\n".join(raised.value.__notes__)
    assert re.search(r"number=1000\b", report)
    assert "reproduce_failure" in report
    del tried[:]
    with pytest.raises(AssertionError, match="it is small"):
        SETTINGS(property_of_small_numbers())()
    assert tried[0] == 1000


def start(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    (tmp_path / "tmp").mkdir()
    return subprocess.Popen(
        [sys.executable, "-m", "checks.attacks", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}", "TMPDIR": str(tmp_path / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_without_the_fuzzer_the_command_says_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "atheris.py").write_text('raise ImportError("as if it were not installed")')
    process = start(tmp_path)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "make attack" in errors
    assert "Traceback" not in errors


@pytest.mark.slow
def test_the_command_attacks_each_property_where_the_fuzzer_is_installed(tmp_path: Path) -> None:
    names = list(properties())
    process = start(tmp_path, "--seconds", "1", "--seed", "5", *names)
    output, errors = process.communicate()
    if find_spec("atheris") is None:
        assert "requirements-attack.txt" in errors
        return
    ends = re.findall(r"^(\S+): ([0-9,]+) inputs .* [1-9][0-9]* edges, no finding$", output, re.M)
    assert sorted(name for name, _ in ends) == sorted(names)
    assert "0" not in [inputs for _, inputs in ends]
    logs = [(tmp_path / FOLDER / name / LOG).read_text() for name in names]
    assert all("INFO: Seed: 5\n" in each for each in logs)
    assert process.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_an_attack_with_its_result_so_far(
    tmp_path: Path, number: signal.Signals
) -> None:
    process = start(tmp_path, "--seconds", "300", "api")
    while not list((tmp_path / "tmp").iterdir()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(number)
    output, _ = process.communicate()
    assert re.fullmatch(r"api: 0 inputs .*, no finding\n", output)
    assert process.returncode == 130
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("name", properties())
def test_an_input_can_be_tried_again_alone(tmp_path: Path, name: str) -> None:
    file = tmp_path / "input"
    file.write_bytes(b"\x01" * 40)
    ended = CliRunner().invoke(attacks, [name, "--input", str(file)])
    assert (ended.exit_code, ended.output) == (0, f"{name} keeps its promise with {file}\n")


@pytest.mark.parametrize("names", [[], ["api"], ["wire"], ["filter.any_pattern", "wire.batch"]])
def test_an_input_needs_its_one_property(tmp_path: Path, names: list[str]) -> None:
    (tmp_path / "input").write_bytes(b"")
    ended = CliRunner().invoke(attacks, [*names, "--input", str(tmp_path / "input")])
    assert ended.exit_code == 2
    assert "--input needs one property" in ended.output


def test_a_target_that_there_is_not_is_refused() -> None:
    ended = CliRunner().invoke(attacks, ["pipe"])
    assert ended.exit_code == 2
    assert "pipe is not one of transform.any_event" in ended.output
