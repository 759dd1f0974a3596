"""What development, tests and CI install: locked, with hashes, wherever it comes from."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKED = ("requirements-attack", "requirements-bench", "requirements-clients", "requirements-dev")


def pins(text: str) -> set[tuple[str, str]]:
    return set(re.findall(r"^([\w.-]+)(?:\[.*\])?==([\w.]+)", text, re.M))


@pytest.mark.parametrize("name", LOCKED)
def test_whatever_is_asked_for_is_locked_in_that_version(name: str) -> None:
    asked = pins((ROOT / f"{name}.in").read_text())
    assert asked
    assert asked <= pins((ROOT / f"{name}.txt").read_text())


@pytest.mark.parametrize("name", LOCKED)
def test_everything_locked_has_a_version_and_hashes_and_names_no_place(name: str) -> None:
    entries = re.split(r"\n(?! )", (ROOT / f"{name}.txt").read_text().strip())
    for entry in entries:
        first, *hashes = entry.split(" \\\n    ")
        assert re.fullmatch(r"[a-z0-9.-]+==[a-z0-9.]+( ; [\w.<>=!' ()]+)?", first), first
        assert hashes, first
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in hashes), first


def test_what_ships_to_lambda_is_locked_in_the_same_version_for_the_tests() -> None:
    shipped = pins((ROOT / "requirements.txt").read_text())
    assert shipped
    assert shipped <= pins((ROOT / "requirements-dev.txt").read_text())
