"""The metrics of a batch, as CloudWatch reads them from the function's log."""

import json
import time
from typing import Any

import pytest

from chalicelib.answers import Answer, Result, as_dictionary
from chalicelib.metrics import counting
from chalicelib.schema import TABLE
from chalicelib.transform import transformer


def answers(*results: Result) -> list[Answer]:
    return [Answer("1", result) for result in results]


def metrics(line: str) -> dict[str, Any]:
    """The metrics a line gives, read by the rules of the embedded metric format."""
    root = json.loads(line)
    (directive,) = root["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["FunctionName"]]
    assert {each["Unit"] for each in directive["Metrics"]} == {"Count"}
    return {
        "namespace": directive["Namespace"],
        "function": root["FunctionName"],
        **{each["Name"]: root[each["Name"]] for each in directive["Metrics"]},
    }


def test_a_batch_tells_in_one_line_how_many_records_had_which_result(
    capsys: pytest.CaptureFixture[str],
) -> None:
    counting(as_dictionary, "a-function")(answers("Ok", "Dropped", "Ok", "ProcessingFailed", "Ok"))
    (line,) = capsys.readouterr().out.splitlines()
    assert metrics(line) == {
        "namespace": "Sluice",
        "function": "a-function",
        "RecordsOk": 3,
        "RecordsDropped": 1,
        "RecordsFailed": 1,
    }


def test_a_result_that_no_record_had_counts_as_zero(capsys: pytest.CaptureFixture[str]) -> None:
    counting(as_dictionary, "a-function")(answers("Ok"))
    found = metrics(capsys.readouterr().out)
    assert (found["RecordsDropped"], found["RecordsFailed"]) == (0, 0)


def test_metrics_are_of_the_moment_in_milliseconds(capsys: pytest.CaptureFixture[str]) -> None:
    before = int(time.time() * 1000)
    counting(as_dictionary, "a-function")(answers("Ok"))
    timestamp = json.loads(capsys.readouterr().out)["_aws"]["Timestamp"]
    assert before <= timestamp <= int(time.time() * 1000) + 1


def test_the_transforms_own_answers_are_counted_and_passed_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    event = {"records": [{"recordId": "1", "data": "bm90IGEgY2hhbmdl"}]}
    response = transformer(TABLE, respond=counting(as_dictionary, "a-function"))(event)
    assert response == transformer(TABLE)(event)
    lines = capsys.readouterr().out.splitlines()
    (counted,) = [line for line in lines if "_aws" in json.loads(line)]
    assert metrics(counted)["RecordsFailed"] == 1
