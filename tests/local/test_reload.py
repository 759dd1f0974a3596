"""Saving a declaration while a local run goes on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from chalicelib.declared import load
from local.processes import LocalRunError
from local.reload import Reloader

DECLARATION = """
from chalicelib.declaration import Key, Table
TABLE = Table(key=(Key("{key}", "{type}"),), layout={layout})
"""


class Run:
    """A run that counts its deployments."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.deployments = 0
        self.failure: LocalRunError | None = None
        self.reports: list[str] = []
        self.reloader = Reloader(file, load(file), self.redeploy, self.reports.append)

    def redeploy(self) -> None:
        if self.failure:
            raise self.failure
        self.deployments += 1

    def save(self, text: str) -> str:
        """Save the file; return what is reported of it."""
        self.file.write_text(text)
        self.reports.clear()
        self.reloader.look()
        return "\n".join(self.reports)


Declare = Callable[..., str]


@pytest.fixture
def declare() -> Declare:
    def text(key: str = "pk", type: str = "S", layout: tuple[str, ...] = ("year",)) -> str:
        return DECLARATION.format(key=key, type=type, layout=layout)

    return text


@pytest.fixture
def run(tmp_path: Path, declare: Declare) -> Run:
    file = tmp_path / "declaration.py"
    file.write_text(declare())
    return Run(file)


def test_a_saved_declaration_is_deployed_once(run: Run, declare: Declare) -> None:
    run.reloader.look()
    assert (run.deployments, run.reports) == (0, [])
    assert "deployed; new changes" in run.save(declare(layout=("year", "month")))
    run.reloader.look()
    assert run.deployments == 1


def test_a_file_saved_as_it_was_is_not_deployed(run: Run, declare: Declare) -> None:
    assert run.save(declare()) == ""
    assert run.deployments == 0


def test_a_wrong_declaration_is_reported_with_its_mistakes(run: Run, declare: Declare) -> None:
    reported = run.save(declare(layout=("nosuch",)))
    assert "'nosuch'" in reported
    assert "from before stays deployed" in reported
    assert "line 2" in run.save("\nTABLE =")
    assert run.deployments == 0
    run.save(declare(layout=("year", "month")))
    assert run.deployments == 1


@pytest.mark.parametrize("change", [{"key": "id"}, {"type": "N"}])
def test_another_key_is_refused_with_the_remedy(
    run: Run, declare: Declare, change: dict[str, str]
) -> None:
    reported = run.save(declare(**change))
    assert "a table's key cannot change: it is pk (S)" in reported
    assert "End the run and start it again" in reported
    assert run.deployments == 0


def test_a_deployment_that_fails_is_reported(run: Run, declare: Declare) -> None:
    run.failure = LocalRunError("`cdk deploy` failed")
    reported = run.save(declare(layout=("year", "month")))
    assert "`cdk deploy` failed\nThe declaration from before stays deployed." in reported


def test_a_file_that_is_away_for_a_moment_is_no_change(run: Run) -> None:
    text = run.file.read_text()
    run.file.unlink()
    run.reloader.look()
    assert run.save(text) == ""
