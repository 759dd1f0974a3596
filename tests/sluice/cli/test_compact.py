"""What `sluice compact` takes and reports."""

import pytest
from click.testing import CliRunner

from chalicelib.compaction import Compacted
from sluice.cli import sluice
from sluice.cli.compact import Report
from sluice.compaction.maintenance import Maintained
from sluice.compaction.size import LakeSize, Size
from sluice.stack import Stack


def test_a_stack_on_aws_without_views_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(Stack, "named", lambda name: Stack(name, {}))
    result = CliRunner().invoke(sluice, ["--stack-name", "Sluice-prod", "compact"])
    assert result.exit_code == 1
    assert "Sluice-prod is a stack on AWS" in result.output
    assert "-c compaction=manual" in result.output
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize(
    ("endpoint", "options", "refusal"),
    [
        ("http://127.0.0.1:9", ["--engine", "athena"], "compacted by --engine local alone"),
        ("", ["--engine", "local"], "compacted by --engine athena alone"),
        ("", ["--keep-files", "9"], "the --keep options are for local stacks"),
    ],
)
def test_a_stack_has_one_engine(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, options: list[str], refusal: str
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setattr(Stack, "named", lambda name: Stack(name, {"CompactName": "f"}))
    result = CliRunner().invoke(sluice, ["compact", *options])
    assert result.exit_code == 2
    assert refusal in result.output


def test_a_run_reports_what_it_did_and_the_lake_before_and_after() -> None:
    report = Report(
        Compacted(objects=3, lines=9, appended=1, bytes=12_000, kept=1),
        Maintained(copies=2, rewritten=4),
        LakeSize(Size(4, 16_000), Size(rows=0), Size(rows=0)),
        LakeSize(Size(1, 4_000), Size(1, 3_000, 1), Size(1, 2_000, 1)),
    )
    assert report.sentences() == [
        "9 lines of 3 objects (12,000 bytes): 1 change new in history; left because they cannot "
        "be read whole: 1 object",
        "copies of changes removed: 2; small files written together: 4",
        "before: raw 4 objects, 16,000 bytes; nothing is compacted",
        "after:  raw 1 object, 4,000 bytes; history 1 row in 1 object, 3,000 bytes; current 1 row "
        "in 1 object, 2,000 bytes",
    ]
