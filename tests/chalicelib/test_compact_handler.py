"""The function that compacts, as Lambda calls it: over HTTP, with the emulator's S3."""

import gzip
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from pytest_httpserver import HTTPServer

from app import compact
from chalicelib import compaction
from chalicelib.catalog import CURRENT, HISTORY
from chalicelib.compaction import SPARE_MS, StatementError
from chalicelib.schema import TABLE
from tests.athena import FakeAthena, FakeGlue
from tests.declaring import change, delivered
from tests.fakes import Script

SCHEDULED = {"time": "2026-11-26T07:20:00Z"}


@dataclass
class Services:
    """Athena and Glue, and the bucket of a stack."""

    bucket: str
    athena: FakeAthena
    glue: FakeGlue
    reports: HTTPServer

    def answer(self, operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        match operation:
            case "StartQueryExecution":
                assert request["WorkGroup"] == "the-workgroup"
                return 200, self.athena.start_query_execution(**request)
            case "GetQueryExecution":
                return 200, self.athena.get_query_execution(**request)
            case "GetQueryResults":
                return 200, self.athena.get_query_results(**request)
            case "GetTable":
                try:
                    return 200, self.glue.get_table(**request)
                except FakeGlue.exceptions.EntityNotFoundException:
                    return 400, {"__type": "EntityNotFoundException"}
            case "CreateTable":
                self.glue.create_table(**request)
                return 200, {}
        raise AssertionError(operation)

    def stored(self) -> list[str]:
        listed = boto3.client("s3").list_objects_v2(Bucket=self.bucket, Prefix="data/")
        return [each["Key"] for each in listed.get("Contents", [])]

    def deploy(self, request: str) -> dict[str, Any]:
        """Call the function as CloudFormation does, and return what it is answered."""
        event = {
            "RequestType": request,
            "ResponseURL": self.reports.url_for("/answer"),
            "StackId": "the-stack",
            "RequestId": str(uuid.uuid4()),
            "LogicalResourceId": "Tables",
        }
        compact(event, context())
        (asked, _) = self.reports.log[-1]
        report: dict[str, Any] = json.loads(asked.data)
        assert report["RequestId"] == event["RequestId"]
        return report


def context(*remaining: int) -> Any:
    """What Lambda says of an invocation: the time left at each look, the last for ever."""
    times = list(remaining or [900_000])
    return SimpleNamespace(
        get_remaining_time_in_millis=lambda: times.pop(0) if len(times) > 1 else times[0]
    )


@pytest.fixture
def services(
    aws_environment: pytest.MonkeyPatch,
    emulator: str,
    scripted_dynamodb: Callable[[Script], str],
    httpserver: HTTPServer,
) -> Services:
    """A lake with an object for each of three changes of a site, all old enough."""
    bucket = f"lake-{uuid.uuid4()}"
    aws_environment.setenv("AWS_ENDPOINT_URL_S3", emulator)
    aws_environment.setenv("AWS_MAX_ATTEMPTS", "1")
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=bucket)
    lines = []
    for number in range(3):
        item = {
            "id": {"S": f"id-{number}"},
            "siteId": {"S": str(number)},
            "createdAtTime": {"N": "1700076551926"},
        }
        ((folder, line),) = delivered(TABLE, [change(item, number)])
        s3.put_object(Bucket=bucket, Key=f"{folder}object.gz", Body=gzip.compress(line))
        lines.append((f"s3://{bucket}/{folder}object.gz", line))
    athena = FakeAthena(TABLE, lines)
    httpserver.expect_request("/answer", method="PUT").respond_with_data("")
    services = Services(bucket, athena, FakeGlue({}, athena), httpserver)
    server = scripted_dynamodb(services.answer)
    environment = {
        "AWS_ENDPOINT_URL_ATHENA": server,
        "AWS_ENDPOINT_URL_GLUE": server,
        "LAYOUT": "/".join(TABLE.layout),
        "BUCKET_NAME": bucket,
        "DATABASE_NAME": "the_database",
        "WORKGROUP_NAME": "the-workgroup",
    }
    for name, value in environment.items():
        aws_environment.setenv(name, value)
    aws_environment.setattr(compaction, "OLDER_THAN", timedelta(hours=-1))
    return services


def test_a_scheduled_run_compacts_the_lake(services: Services) -> None:
    compact(SCHEDULED, context())
    assert services.stored() == []
    for name in (HISTORY, CURRENT):
        assert {row["id"] for row in services.athena.rows(name)} == {"id-0", "id-1", "id-2"}


def test_what_is_too_young_stays(services: Services, aws_environment: pytest.MonkeyPatch) -> None:
    aws_environment.setattr(compaction, "OLDER_THAN", timedelta(hours=1))
    compact(SCHEDULED, context())
    assert len(services.stored()) == 3
    assert services.athena.statements == []


def test_what_there_was_no_time_for_is_the_next_runs_work(
    services: Services, aws_environment: pytest.MonkeyPatch
) -> None:
    aws_environment.setattr(compaction, "SPAN_OBJECTS", 1)
    compact(SCHEDULED, context(SPARE_MS + 1, SPARE_MS))
    assert len(services.stored()) == 2
    compact(SCHEDULED, context())
    assert services.stored() == []
    assert len(services.athena.rows(HISTORY)) == 3


def test_a_statement_that_fails_fails_the_run_and_the_next_one_is_whole(services: Services) -> None:
    services.athena.failures += ["GENERIC_INTERNAL_ERROR: no luck"]
    with pytest.raises(StatementError, match="GENERIC_INTERNAL_ERROR: no luck"):
        compact(SCHEDULED, context())
    assert len(services.stored()) == 3
    compact(SCHEDULED, context())
    assert services.stored() == []


def test_a_deployment_makes_the_tables_and_later_ones_add_columns(services: Services) -> None:
    services.glue = FakeGlue({})
    assert services.deploy("Create")["Status"] == "SUCCESS"
    assert [each["Name"] for each in services.glue.created] == [HISTORY, CURRENT]
    assert {each["DatabaseName"] for each in services.glue.created} == {"the_database"}
    services.glue = FakeGlue({}, services.athena)
    for name in (HISTORY, CURRENT):
        services.athena.engine.execute(f'ALTER TABLE "{name}" DROP COLUMN valuetwo')
    assert services.deploy("Update")["Status"] == "SUCCESS"
    assert services.athena.statements == [
        f"ALTER TABLE `{name}` ADD COLUMNS (`valuetwo` bigint)" for name in (HISTORY, CURRENT)
    ]


def test_a_deployment_fails_with_the_reason(services: Services) -> None:
    services.athena.engine.execute("ALTER TABLE history ALTER valuetwo TYPE VARCHAR")
    report = services.deploy("Update")
    assert report["Status"] == "FAILED"
    assert "the table history has the column valuetwo as string" in report["Reason"]
    services.athena.engine.execute("ALTER TABLE history DROP COLUMN valuetwo")
    services.athena.failures += ["FAILED: no permission"]
    assert "no permission" in services.deploy("Update")["Reason"]


def test_the_deletion_of_the_stack_changes_nothing(services: Services) -> None:
    assert services.deploy("Delete")["Status"] == "SUCCESS"
    assert services.athena.statements == []
    assert services.glue.created == []
    assert len(services.stored()) == 3
