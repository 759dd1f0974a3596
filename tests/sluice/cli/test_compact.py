"""What `sluice compact` takes and reports."""

import pytest
from click.testing import CliRunner

from sluice.cli import sluice
from sluice.cli.compact import sentence
from sluice.compaction.run import Compacted
from sluice.stack import Stack


def test_a_stack_on_aws_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(Stack, "named", lambda name: Stack(name, {}))
    result = CliRunner().invoke(sluice, ["--stack-name", "Sluice-prod", "compact"])
    assert result.exit_code == 1
    assert "Sluice-prod is a stack on AWS" in result.output
    assert len(result.output.splitlines()) == 1


def test_a_run_and_a_dry_one_are_one_sentence_each() -> None:
    result = Compacted(objects=3, lines=9, appended=1, bytes=12_000, kept=1)
    assert sentence(result, dry_run=True) == "3 objects would be compacted (12,000 bytes)"
    assert sentence(result, dry_run=False) == (
        "9 lines of 3 objects (12,000 bytes): 1 change new in history; left because they cannot "
        "be read whole: 1 object"
    )
