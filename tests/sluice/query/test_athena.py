"""How a question is asked of Athena, with a server that answers by its protocol."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from sluice.errors import OperationError
from sluice.query.athena import QueryResult, Workgroup
from sluice.stack import Stack

METADATA = {
    "Name": "changes",
    "PartitionKeys": [{"Name": "siteid_partition"}, {"Name": "year"}],
}
PARAMETERS = {
    "projection.siteid_partition.type": "injected",
    "projection.year.type": "integer",
    "projection.year.range": "2020,2039",
    "storage.location.template": "s3://b/data/siteId=${siteid_partition}/year=${year}/",
}


def row(*texts: str | None) -> dict[str, Any]:
    return {"Data": [{} if text is None else {"VarCharValue": text} for text in texts]}


@dataclass
class Athena:
    """Answers one query: after `running` looks it is in its end state."""

    types: list[str] = field(default_factory=lambda: ["varchar"])
    pages: list[list[dict[str, Any]]] = field(default_factory=lambda: [[row("a")]])
    kind: str = "DML"
    running: int = 1
    state: str = "SUCCEEDED"
    reason: str = ""
    is_compacted: bool = False
    looked: Callable[[], None] = lambda: None
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def answer(self, operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.requests.append((operation, request))
        match operation:
            case "GetTableMetadata":
                return 200, {"TableMetadata": {**METADATA, "Parameters": PARAMETERS}}
            case "GetTable" if self.is_compacted:
                return 200, {"Table": {"Name": request["Name"]}}
            case "GetTable":
                return 400, {"__type": "EntityNotFoundException"}
            case "StartQueryExecution":
                return 200, {"QueryExecutionId": "q"}
            case "GetQueryExecution":
                return 200, {"QueryExecution": self._execution()}
            case "GetQueryResults":
                return 200, self._page(int(request.get("NextToken", 0)))
        return 200, {}

    def asked(self, operation: str) -> list[dict[str, Any]]:
        return [request for name, request in self.requests if name == operation]

    def _execution(self) -> dict[str, Any]:
        self.looked()
        self.running -= 1
        state = "RUNNING" if self.running >= 0 else self.state
        statistics = {"DataScannedInBytes": 12_345_678, "TotalExecutionTimeInMillis": 1500}
        return {
            "StatementType": self.kind,
            "Status": {"State": state, "StateChangeReason": self.reason},
            "Statistics": statistics,
        }

    def _page(self, number: int) -> dict[str, Any]:
        columns = [{"Name": f"c{n}", "Type": kind} for n, kind in enumerate(self.types)]
        result: dict[str, Any] = {
            "ResultSet": {
                "Rows": self.pages[number],
                "ResultSetMetadata": {"ColumnInfo": columns},
            }
        }
        if number + 1 < len(self.pages):
            result["NextToken"] = str(number + 1)
        return result


@pytest.fixture
def athena() -> Athena:
    return Athena()


@pytest.fixture
def workgroup(
    athena: Athena,
    aws_environment: pytest.MonkeyPatch,
    scripted_dynamodb: Callable[..., str],
) -> Workgroup:
    """A workgroup that takes its server for AWS."""
    aws_environment.delenv("AWS_ENDPOINT_URL", raising=False)
    server = scripted_dynamodb(athena.answer)
    aws_environment.setenv("AWS_ENDPOINT_URL_ATHENA", server)
    aws_environment.setenv("AWS_ENDPOINT_URL_GLUE", server)
    return Workgroup(Stack("Sluice-test", {"WorkgroupName": "w", "DatabaseName": "d"}))


def test_on_aws_the_question_goes_as_it_is_to_the_stacks_workgroup(
    athena: Athena, workgroup: Workgroup
) -> None:
    athena.pages = [[row("c0"), row("a")]]
    answer = workgroup.run("SELECT 1")
    (started,) = athena.asked("StartQueryExecution")
    assert (started["QueryString"], started["WorkGroup"]) == ("SELECT 1", "w")
    assert started["QueryExecutionContext"]["Database"] == "d"
    assert list(answer.rows) == [("a",)]
    assert (answer.scanned_bytes, answer.seconds) == (12_345_678, 1.5)


def test_values_have_the_types_of_their_columns_and_pages_are_followed(
    athena: Athena, workgroup: Workgroup
) -> None:
    athena.types = ["bigint", "boolean", "varchar", "double", "decimal", "real"]
    high = str(2**63 - 1)
    athena.pages = [
        [row(*(f"c{n}" for n in range(6))), row(high, "true", "", "0.5", "1.10", "0.1")],
        [row(None, "false", None, None, None, None)],
    ]
    answer = workgroup.run("SELECT 1")
    assert answer.columns == ("c0", "c1", "c2", "c3", "c4", "c5")
    assert list(answer.rows) == [
        (2**63 - 1, True, "", 0.5, "1.10", 0.1),
        (None, False, None, None, None, None),
    ]


def test_only_the_result_of_a_select_has_a_header(athena: Athena, workgroup: Workgroup) -> None:
    athena.kind = "UTILITY"
    assert list(workgroup.run("SHOW TABLES").rows) == [("a",)]


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("FAILED", "SYNTAX_ERROR: line 1:8: Column 'x' cannot be resolved", "line 1:8: Column 'x'"),
        (
            "FAILED",
            "CONSTRAINT_VIOLATION: static equality",
            "--where siteId=..., or compare siteid_partition",
        ),
        ("CANCELLED", "Bytes scanned limit was exceeded", "a greater -c scan_gigabytes="),
    ],
)
def test_a_failure_says_why_and_what_to_do(
    athena: Athena, workgroup: Workgroup, state: str, reason: str, words: str
) -> None:
    athena.state, athena.reason = state, reason
    with pytest.raises(OperationError) as refused:
        workgroup.run("SELECT x")
    assert f"the query failed: {reason}" in str(refused.value)
    assert words in str(refused.value)


def test_a_lake_whose_compacted_changes_no_view_shows_is_not_asked(
    athena: Athena, workgroup: Workgroup
) -> None:
    athena.is_compacted = True
    with pytest.raises(OperationError, match="the lake of Sluice-test has compacted changes"):
        workgroup.run("SELECT 1")
    assert athena.asked("StartQueryExecution") == []
    outputs = {"WorkgroupName": "w", "DatabaseName": "d", "CompactName": "f"}
    Workgroup(Stack("Sluice-test", outputs)).run("SELECT 1")
    assert len(athena.asked("StartQueryExecution")) == 1


def test_ctrl_c_stops_the_query(athena: Athena, workgroup: Workgroup) -> None:
    athena.running = 1000
    athena.looked = lambda: os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="the query is stopped"):
        workgroup.run("SELECT 1")
    assert athena.asked("StopQueryExecution") == [{"QueryExecutionId": "q"}]


def test_the_partitions_of_a_view_are_those_of_the_raw_table(
    athena: Athena, workgroup: Workgroup
) -> None:
    views = Workgroup(
        Stack("Sluice-test", {"WorkgroupName": "w", "DatabaseName": "d", "CompactName": "f"})
    )
    for each in (workgroup, views):
        each.partitioning()
        each.partitioning("changes_order")
    assert [request["TableName"] for request in athena.asked("GetTableMetadata")] == [
        "changes",
        "changes_order",
        "raw_changes",
        "raw_changes_order",
    ]
    assert (workgroup.has_last_changes, views.has_last_changes) == (False, True)
    assert workgroup.with_objects == ("all_changes",)
    assert views.with_objects == ("raw_all_changes", "history")


def test_the_partitions_and_the_required_ones_are_those_of_the_table(workgroup: Workgroup) -> None:
    partitioning = workgroup.partitioning()
    assert partitioning.columns == ("siteid_partition", "year")
    assert partitioning.required == {"siteid_partition"}
    assert partitioning.years == (2020, 2039)
    assert partitioning.values("siteid_partition") is None
    assert partitioning.levels == {"siteid_partition": "siteId", "year": "year"}


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (("a", "b"), ("a", "b")),
        (("a", "a", "a"), ("a", "a_2", "a_3")),
        (("a", "a", "a_2"), ("a", "a_3", "a_2")),
        (("a_2", "a", "a"), ("a_2", "a", "a_3")),
    ],
)
def test_equal_names_get_numbers_as_keys_and_others_are_left(
    names: tuple[str, ...], keys: tuple[str, ...]
) -> None:
    assert QueryResult(names, iter([]), 0, 0.0).keys == keys
