"""The settings a CDK context gives."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from chalicelib.schema import TABLE
from infrastructure.settings import DeploymentSettings, ExistingTable, SettingsError
from infrastructure.values import PROJECT

STREAM_ARN = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders/stream/2026-01-31T12:00:00.000"
KEY_ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def errors(**context: Any) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as refusal:
        DeploymentSettings.from_context(context)
    return refusal.value.errors


def test_an_empty_context_gives_the_documented_defaults() -> None:
    assert DeploymentSettings.from_context({}) == DeploymentSettings(
        stage="dev",
        target="aws",
        schema=PROJECT / "chalicelib/schema.py",
        layout=None,
        deletes="keep",
        buffer_seconds=60,
        buffer_megabytes=128,
        error_days=90,
        old_version_days=30,
        log_days=30,
    )


def test_every_setting_can_be_given_as_text() -> None:
    given = {
        "stage": "prod",
        "target": "local",
        "schema": "chalicelib/../chalicelib/schema.py",
        "layout": "siteId/year/month",
        "deletes": "drop",
        "feed": "function",
        "feed_batch_size": "10000",
        "feed_window_seconds": "1",
        "format": "parquet",
        "buffer_seconds": "900",
        "buffer_megabytes": "64",
        "error_days": "1",
        "old_version_days": "3650",
        "log_days": "731",
        "sites": "1,2",
        "years": "2021-2022",
        "scan_gigabytes": "5",
        "result_days": "2",
        "alarm_email": "operator@example.com",
        "table_name": "orders",
        "table_stream_arn": STREAM_ARN,
        "table_key_arn": KEY_ARN,
        "api": "off",
        "changes_per_second": "10",
        "change_bytes": "700",
        "expected_sites": "20",
        "compaction": "off",
        "operators": "policies",
    }
    assert set(given) == {field.name for field in fields(DeploymentSettings)}
    assert DeploymentSettings.from_context(given) == DeploymentSettings(
        stage="prod",
        target="local",
        schema=PROJECT / "chalicelib/../chalicelib/schema.py",
        layout=("siteId", "year", "month"),
        deletes="drop",
        feed="function",
        feed_batch_size=10_000,
        feed_window_seconds=1,
        format="parquet",
        buffer_seconds=900,
        buffer_megabytes=64,
        error_days=1,
        old_version_days=3650,
        log_days=731,
        sites=("1", "2"),
        years=(2021, 2022),
        scan_gigabytes=5,
        result_days=2,
        alarm_email="operator@example.com",
        table_name="orders",
        table_stream_arn=STREAM_ARN,
        table_key_arn=KEY_ARN,
        api="off",
        changes_per_second=10,
        change_bytes=700,
        expected_sites=20,
        operators="policies",
    )


@pytest.fixture
def wrong_schema(tmp_path: Path) -> Path:
    """A file with several mistakes."""
    file = tmp_path / "wrong.py"
    file.write_text("import boto3\nimport yaml\n")
    return file


def test_the_table_is_that_of_the_declaration_with_the_layout_of_the_deployment() -> None:
    assert DeploymentSettings().table is TABLE
    coarser = DeploymentSettings(layout=("siteId", "year"))
    assert coarser.table.layout == ("siteId", "year")
    assert coarser.table is coarser.table
    assert coarser.table.fingerprint == TABLE.fingerprint


def test_the_file_of_a_declaration_is_absolute_or_from_the_projects_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = DeploymentSettings.from_context({"schema": "chalicelib/schema.py"})
    assert shipped.table is TABLE
    file = tmp_path / "blobs.py"
    file.write_text(
        "from chalicelib.declaration import Key, Table\nTABLE = Table(key=(Key('hash', 'B'),))\n"
    )
    assert DeploymentSettings.from_context({"schema": str(file)}).table.key_names == ("hash",)


def test_all_mistakes_of_a_declaration_are_reported_beside_the_other_errors(
    wrong_schema: Path,
) -> None:
    stage, first, second = errors(stage="Prod!", schema=str(wrong_schema), layout="siteId/month")
    assert stage.startswith("stage is 'Prod!'")
    assert first.startswith(f"schema is {wrong_schema}, but it imports boto3, which ")
    assert second.startswith(f"schema is {wrong_schema}, but it imports yaml, which ")


@pytest.mark.parametrize("value", ["", 7, "none.py", "chalicelib"])
def test_a_schema_that_is_no_python_file_is_refused(value: Any) -> None:
    (error,) = errors(schema=value)
    assert error.startswith("schema is ")
    assert "Python file" in error


@pytest.mark.parametrize("layout", ["siteId,year", "siteId / year", ["siteId", "year"]])
def test_a_layout_is_text_or_a_list(layout: Any) -> None:
    assert DeploymentSettings.from_context({"layout": layout}).layout == ("siteId", "year")


def test_a_number_may_be_a_number() -> None:
    assert DeploymentSettings.from_context({"buffer_seconds": 300}).buffer_seconds == 300


def test_all_errors_are_reported_together_each_naming_value_rule_and_remedy() -> None:
    refusals = errors(stage="Prod!", buffer_seconds="30", deletes="maybe", layout="siteId/month")
    assert len(refusals) == 4
    stage, seconds, deletes, layout = refusals
    assert "stage is 'Prod!'" in stage
    assert "lower-case letters" in stage
    assert "-c stage=dev" in stage
    assert "buffer_seconds is '30'" in seconds
    assert "from 60 to 900" in seconds
    assert "deletes is 'maybe'" in deletes
    assert "keep, drop" in deletes
    assert "layout is 'siteId/month'" in layout
    assert "year, month, day, hour, minute in this order" in layout


def test_changes_of_a_large_batch_are_gathered_for_a_second_at_least() -> None:
    (window,) = errors(feed_window_seconds="0")
    assert "from 1 to 300" in window


def test_a_rule_that_spans_settings_is_reported_beside_a_wrong_value() -> None:
    stage, table, sites = errors(stage="Prod!", table_name="orders", sites="1", layout="year")
    assert "stage is 'Prod!'" in stage
    assert "table_name is given without table_stream_arn" in table
    assert "no level of a field above the hour" in sites


def test_a_rule_that_spans_settings_waits_until_they_are_right() -> None:
    (error,) = errors(table_name="no spaces", table_stream_arn=STREAM_ARN)
    assert error.startswith("table_name is 'no spaces'")


@pytest.mark.parametrize(
    ("setting", "value"),
    [("table_name", None), ("alarm_email", "null"), ("changes_per_second", "null")],
)
def test_null_is_not_the_value_of_a_setting_that_may_be_left_out(
    setting: str, value: str | None
) -> None:
    (error,) = errors(**{setting: value})
    assert error.startswith(f"{setting} is {value!r}, but must be ")


def test_a_refusal_has_a_line_for_every_error() -> None:
    refusal = SettingsError(["one", "two"])
    assert str(refusal).splitlines() == ["The settings cannot be used:", "- one", "- two"]


@pytest.mark.parametrize("key", ["stagee", "buffer-seconds", "sluice_stage", "bufferSeconds"])
def test_a_key_that_is_no_setting_is_refused_with_the_names_of_those_that_are(key: str) -> None:
    (error,) = errors(**{key: "dev"})
    assert f"'{key}' is not a setting" in error
    for field in fields(DeploymentSettings):
        assert field.name in error


@pytest.mark.parametrize(
    "key",
    [
        "aws:cdk:bundling-stacks",
        "@aws-cdk/aws-iam:minimizePolicies",
        "availability-zones:account=1:region=us-east-1",
        "cli-telemetry",
    ],
)
def test_the_keys_of_the_cdk_are_left_to_it(key: str) -> None:
    assert DeploymentSettings.from_context({key: False}) == DeploymentSettings()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("stage", ""),
        ("stage", "Dev"),
        ("stage", "1st"),
        ("stage", "dev-"),
        ("stage", "a" * 33),
        ("stage", "a_b"),
        ("stage", 1),
        ("target", "azure"),
        ("target", True),
        ("deletes", ""),
        ("layout", ""),
        ("layout", []),
        ("layout", 7),
        ("layout", "siteId/siteId"),
        ("layout", "valueThree"),
        ("buffer_seconds", "59"),
        ("buffer_seconds", "901"),
        ("buffer_seconds", "60.5"),
        ("buffer_seconds", "-60"),
        ("buffer_seconds", "six"),
        ("buffer_seconds", True),
        ("buffer_seconds", "9" * 5000),
        ("buffer_megabytes", "63"),
        ("buffer_megabytes", "129"),
        ("error_days", "0"),
        ("old_version_days", "3651"),
        ("log_days", "2"),
        ("log_days", "forever"),
        ("sites", ""),
        ("sites", "1,,2"),
        ("sites", "1,1"),
        ("sites", "x" * 257),
        ("sites", 7),
        ("years", "2020"),
        ("years", "1969-2000"),
        ("years", "2021-2020"),
        ("years", 2020),
        ("scan_gigabytes", "0"),
        ("result_days", "0"),
        ("alarm_email", "operator"),
        ("alarm_email", "operator@example"),
        ("alarm_email", "a@example.com, b@example.com"),
        ("alarm_email", ""),
        ("api", "yes"),
        ("api", True),
        ("table_name", "no spaces"),
        ("table_name", "ab"),
        ("table_name", 7),
        ("table_stream_arn", STREAM_ARN.partition("/stream/")[0]),
        ("table_stream_arn", STREAM_ARN.replace("dynamodb", "kinesis")),
        ("table_stream_arn", STREAM_ARN.replace("111122223333", "")),
        ("table_key_arn", "alias/orders"),
        ("table_key_arn", STREAM_ARN),
        ("changes_per_second", "0"),
        ("changes_per_second", "1.5"),
        ("change_bytes", "409601"),
        ("expected_sites", "0"),
    ],
)
def test_a_value_outside_its_rule_is_refused(setting: str, value: Any) -> None:
    (error,) = errors(**{setting: value})
    assert error.startswith(f"{setting} is {value!r}, but ")


@pytest.mark.parametrize("layout", ["year/month", "year/month/day/hour/siteId"])
def test_sites_need_a_level_to_find_them_by(layout: str) -> None:
    (error,) = errors(sites="1,2", layout=layout)
    assert "no level of a field above the hour" in error


@pytest.mark.parametrize("prefix", ["aws", "aws-cn", "aws-us-gov"])
def test_an_existing_table_may_be_in_any_partition(prefix: str) -> None:
    stream_arn = STREAM_ARN.replace("arn:aws:", f"arn:{prefix}:")
    settings = DeploymentSettings.from_context(
        {"table_name": "orders", "table_stream_arn": stream_arn}
    )
    assert settings.existing_table == ExistingTable("orders", stream_arn, None)
    assert (
        settings.existing_table.arn == f"arn:{prefix}:dynamodb:eu-west-1:111122223333:table/orders"
    )
    assert settings.existing_table.region == "eu-west-1"
    assert settings.existing_table.account == "111122223333"


def test_without_an_existing_table_the_stack_makes_its_own() -> None:
    assert DeploymentSettings().existing_table is None


@pytest.mark.parametrize(
    ("context", "missing"),
    [
        ({"table_name": "orders"}, "table_stream_arn"),
        ({"table_stream_arn": STREAM_ARN}, "table_name"),
    ],
)
def test_an_existing_table_is_given_by_name_and_stream_or_not_at_all(
    context: dict[str, str], missing: str
) -> None:
    (error,) = errors(**context)
    assert f"is given without {missing}" in error
    assert f"-c {missing}=" in error


def test_a_key_without_an_existing_table_is_refused() -> None:
    (error,) = errors(table_key_arn=KEY_ARN)
    assert "table_key_arn is given without an existing table" in error


@pytest.mark.parametrize("name", ["order", "orders2", "rders"])
def test_a_stream_of_another_table_is_refused(name: str) -> None:
    (error,) = errors(table_name=name, table_stream_arn=STREAM_ARN)
    assert f"is not a stream of the table {name}" in error
    assert "LatestStreamArn" in error


FOLLOWED = {"table_name": "orders", "table_stream_arn": STREAM_ARN}


@pytest.mark.parametrize(
    ("context", "has_api"),
    [
        ({}, True),
        ({"api": "off"}, False),
        (FOLLOWED, False),
        ({**FOLLOWED, "api": "on"}, True),
    ],
)
def test_there_is_an_api_unless_a_table_is_only_followed_or_it_is_turned_off(
    context: dict[str, str], has_api: bool
) -> None:
    assert DeploymentSettings.from_context(context).has_api is has_api


@pytest.mark.parametrize("stage", ["a", "dev", "team-a-2", "a" * 32])
def test_any_name_of_lower_case_words_is_a_stage(stage: str) -> None:
    assert DeploymentSettings.from_context({"stage": stage}).stack_name == f"Sluice-{stage}"


def test_only_prod_keeps_its_data() -> None:
    assert DeploymentSettings(stage="prod").retains_data
    assert not DeploymentSettings(stage="production").retains_data


def test_a_layout_that_overflows_for_the_declared_workload_is_refused_with_what_passes() -> None:
    (error,) = errors(changes_per_second="10000", expected_sites="2000")
    assert "2,000 partitions are active at the peak" in error
    assert "a stream holds 500" in error
    assert "`cdk deploy -c layout=year/month/day/hour/minute`" in error


def test_a_coarser_layout_without_the_site_carries_it() -> None:
    context = {"changes_per_second": "10000", "expected_sites": "2000", "layout": "year/month/day"}
    assert DeploymentSettings.from_context(context).expected_sites == 2000


def test_a_workload_without_its_rate_is_refused() -> None:
    (error,) = errors(expected_sites="2000")
    assert "-c changes_per_second=" in error


@pytest.mark.parametrize("workload", [{}, {"changes_per_second": "1"}])
def test_any_valid_layout_is_planned_and_deployed(workload: dict[str, str]) -> None:
    settings = DeploymentSettings.from_context({"layout": "name/year", **workload})
    assert settings.layout == ("name", "year")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        setattr(DeploymentSettings(), "stage", "prod")  # noqa: B010
