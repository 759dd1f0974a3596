"""The lines that the functions log."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.logs import log


def test_a_line_is_one_json_object_whatever_it_tells(capsys: pytest.CaptureFixture[str]) -> None:
    log("WARN", "two\nlines \N{SNOWMAN}", recordId="1", reason='a "quoted" one')
    (line,) = capsys.readouterr().out.splitlines()
    logged = json.loads(line)
    del logged["timestamp"]
    assert logged == {
        "level": "WARN",
        "message": "two\nlines \N{SNOWMAN}",
        "recordId": "1",
        "reason": 'a "quoted" one',
    }


def test_a_line_says_when_in_the_form_lambda_reads(capsys: pytest.CaptureFixture[str]) -> None:
    log("INFO", "now")
    timestamp = json.loads(capsys.readouterr().out)["timestamp"]
    assert timestamp.endswith("Z")
    assert abs(datetime.fromisoformat(timestamp) - datetime.now(UTC)) < timedelta(seconds=10)
