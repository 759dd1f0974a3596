"""The compaction: its function, its schedule, its tables, and the views of them."""

import json
import re
from base64 import b64decode
from typing import Any

import pytest
import sqlglot

from chalicelib.compacted import raw_name, views
from infrastructure.settings import DeploymentSettings, SettingsError
from tests.declaring import worked

TABLES = "AWS::Glue::Table"


@pytest.fixture
def compacted(deployments: Any) -> Any:
    return deployments["compacted"]


def by_name(deployment: Any) -> dict[str, dict[str, Any]]:
    inputs = (each["Properties"]["TableInput"] for each in deployment.all(TABLES).values())
    return {each["Name"]: each for each in inputs}


def test_without_the_setting_nothing_of_it_is_made(dev: Any) -> None:
    assert not any("ompact" in path for path in dev.all())
    assert {each["TableType"] for each in by_name(dev).values()} == {"EXTERNAL_TABLE"}
    assert "CompactName" not in dev.template["Outputs"]


def test_the_function_has_a_role_a_log_and_the_time_that_lambda_gives(compacted: Any) -> None:
    function = compacted["Compact"]
    assert function["Role"] == "${Runtime/CompactRole.Arn}"
    assert function["LoggingConfig"]["LogGroup"] == "${Runtime/CompactLog}"
    assert function["Timeout"] == 900
    assert function["Environment"]["Variables"] == {
        "LAYOUT": "year/month/day",
        "BUCKET_NAME": "${Lake/Bucket}",
        "DATABASE_NAME": "sluice_compacted",
        "WORKGROUP_NAME": "Sluice-compacted",
    }
    assert compacted["Catalog/Database"]["DatabaseInput"]["Name"] == "sluice_compacted"
    assert compacted["Catalog/WorkGroup"]["Name"] == "Sluice-compacted"
    assert compacted.output("CompactName") == "${Compact}"


def test_it_deletes_only_raw_objects_and_files_of_the_compacted_tables(compacted: Any) -> None:
    allowed = compacted.allowed("Runtime/CompactRole")
    assert {on for on, actions in allowed.items() if "s3:DeleteObject" in actions} == {
        "${Lake/Bucket.Arn}/data/*",
        "${Lake/Bucket.Arn}/iceberg/*",
    }
    assert "s3:PutObject" not in allowed["${Lake/Bucket.Arn}/data/*"]


def test_the_schedule_calls_the_function_alone(compacted: Any) -> None:
    rule = compacted["Compaction/Schedule"]
    assert rule["ScheduleExpression"] == "cron(20 * * * ? *)"
    assert [each["Arn"] for each in rule["Targets"]] == ["${Compact.Arn}"]
    assert rule.get("State", "ENABLED") == "ENABLED"
    permission = compacted["Compaction/Permission"]
    assert permission["FunctionName"] == "${Compact}"
    assert permission["SourceArn"].endswith(f":rule/{rule['Name']}")


def test_views_are_made_when_the_tables_are_that_they_show(compacted: Any) -> None:
    assert compacted["Compaction/Tables"]["ServiceToken"] == "${Compact.Arn}"
    paths = [
        path
        for path, each in compacted.all(TABLES).items()
        if each["Properties"]["TableInput"]["TableType"] == "VIRTUAL_VIEW"
    ]
    assert paths
    for path in paths:
        assert "Compaction/Tables" in compacted.made_after(path)


def test_the_tables_are_asked_for_again_when_the_declaration_changes(compacted: Any) -> None:
    assert compacted["Compaction/Tables"]["Declaration"] == worked("shop").fingerprint


def test_a_view_has_the_name_and_id_of_the_table_before_and_athenas_form(
    compacted: Any, dev: Any
) -> None:
    tables = by_name(compacted)
    assert compacted["Catalog/Changes"]["TableInput"]["Name"] == "changes"
    assert dev["Catalog/Changes"]["TableInput"]["Name"] == "changes"
    for view in views(worked("shop").with_layout(["year", "month", "day"])):
        entry = tables[view.name]
        assert entry["Parameters"]["presto_view"] == "true"
        assert entry["ViewExpandedText"] == "/* Presto View */"
        text = re.fullmatch(r"/\* Presto View: (\S+) \*/", entry["ViewOriginalText"])
        assert text
        content = json.loads(b64decode(text[1]))
        assert content["originalSql"] == view.sql
        assert content["schema"] == "sluice_compacted"
        named = [each["name"] for each in content["columns"]]
        assert named == [each["Name"] for each in entry["StorageDescriptor"]["Columns"]]
        selects = sqlglot.parse_one(view.sql, dialect="athena").find_all(sqlglot.exp.Select)
        assert all([each.alias_or_name for each in one.expressions] == named for one in selects)


def test_the_raw_tables_are_those_that_there_are_without_compaction(compacted: Any) -> None:
    tables = by_name(compacted)
    of_views = {each.name for each in views(worked("shop"))} - {"last_changes"}
    raw = {name for name, each in tables.items() if each["TableType"] == "EXTERNAL_TABLE"}
    assert raw == {raw_name(name) for name in of_views}
    parameters = tables["raw_changes_order"]["Parameters"]
    assert parameters["projection.enabled"] == "true"


def test_a_failed_run_sets_off_an_alarm(compacted: Any) -> None:
    alarm = compacted["Alarms/CompactionFailing"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/Lambda", "Errors")
    assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": "${Compact}"}]
    assert (alarm["EvaluationPeriods"], alarm["Threshold"]) == (1, 0)


@pytest.mark.parametrize("value", ["manual", "hourly", "daily"])
def test_the_emulator_has_no_compaction_by_athena(value: str) -> None:
    with pytest.raises(SettingsError, match=f"compaction is '{value}'"):
        DeploymentSettings.from_context({"target": "local", "compaction": value})


@pytest.mark.parametrize("value", ["manual", "hourly", "daily"])
def test_the_setting_is_text(value: str) -> None:
    settings = DeploymentSettings.from_context({"compaction": value})
    assert (settings.compaction, settings.compacts) == (value, True)
