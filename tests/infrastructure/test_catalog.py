"""The database, its tables and its workgroup."""

import json
import re
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Template

from chalicelib.catalog import columns
from chalicelib.schema import TABLE
from infrastructure.catalog import Catalog
from infrastructure.settings import DeploymentSettings
from sluice.query.saved import saved_queries

SHOP = Path(__file__).parents[2] / "tables/shop.py"
DATA = "s3://${Lake/Bucket}/data/"


def test_both_tables_have_the_columns_of_a_line_over_the_same_data(dev: Any) -> None:
    for name in ("Changes", "AllChanges"):
        storage = dev[f"Catalog/{name}"]["TableInput"]["StorageDescriptor"]
        assert storage["Location"] == DATA
        assert {each["Name"]: each["Type"] for each in storage["Columns"]} == {
            column.name: column.type for column in columns(TABLE)
        }
        serde = storage["SerdeInfo"]
        assert serde["SerializationLibrary"] == "org.openx.data.jsonserde.JsonSerDe"
        assert serde["Parameters"]["mapping.siteid"] == "siteId"


def test_changes_are_projected_down_to_the_day(dev: Any) -> None:
    table = dev["Catalog/Changes"]["TableInput"]
    assert [key["Name"] for key in table["PartitionKeys"]] == [
        "siteid_partition",
        "year",
        "month",
        "day",
    ]
    parameters = table["Parameters"]
    assert parameters["projection.enabled"] == "true"
    assert parameters["projection.siteid_partition.type"] == "injected"
    assert parameters["storage.location.template"] == (
        DATA + "siteId=${siteid_partition}/year=${year}/month=${month}/day=${day}/"
    )
    assert "Parameters" not in table["StorageDescriptor"]


def test_all_changes_have_no_partitions(dev: Any) -> None:
    table = dev["Catalog/AllChanges"]["TableInput"]
    assert table.get("PartitionKeys", []) == []
    assert not any("projection" in name for name in table["Parameters"])


def test_the_location_follows_the_layout(prod: Any) -> None:
    parameters = prod["Catalog/Changes"]["TableInput"]["Parameters"]
    assert parameters["storage.location.template"] == (
        DATA + "year=${year}/siteId=${siteid_partition}/"
    )


def test_the_workgroup_encrypts_bounds_and_lets_nobody_choose_otherwise(dev: Any) -> None:
    configuration = dev["Catalog/WorkGroup"]["WorkGroupConfiguration"]
    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert configuration["BytesScannedCutoffPerQuery"] == 100 * 10**9
    result = configuration["ResultConfiguration"]
    assert result["EncryptionConfiguration"] == {
        "EncryptionOption": "SSE_KMS",
        "KmsKey": "${Encryption/Key.Arn}",
    }
    assert result["OutputLocation"] == "s3://${Lake/Bucket}/query-results/"


def test_results_expire(dev: Any) -> None:
    rules = dev["Lake/Bucket"]["LifecycleConfiguration"]["Rules"]
    (rule,) = (rule for rule in rules if rule.get("Prefix") == "query-results/")
    assert rule["ExpirationInDays"] == 7
    assert rule["Status"] == "Enabled"


def test_every_saved_query_is_named_in_the_workgroup(dev: Any) -> None:
    named = {
        query["Properties"]["Name"]: query["Properties"]
        for query in dev.all("AWS::Athena::NamedQuery").values()
    }
    assert set(named) == set(saved_queries(TABLE))
    for query in named.values():
        assert query["WorkGroup"] == "${Catalog/WorkGroup}"
        assert query["Description"]
        assert not re.search(r":[a-z]", query["QueryString"].partition("SELECT")[2])
    assert '"id" = ?' in named["history"]["QueryString"]


def test_the_emulator_gets_no_saved_queries(local: Any) -> None:
    assert not local.all("AWS::Athena::NamedQuery")


def test_the_outputs_say_where_to_ask(dev: Any) -> None:
    assert dev.output("DatabaseName") == "${Catalog/Database}"
    assert dev.output("WorkgroupName") == "${Catalog/WorkGroup}"
    assert dev["Catalog/Database"]["DatabaseInput"]["Name"] == "sluice_dev"


@pytest.mark.slow
def test_each_kind_has_tables_of_its_own_in_its_folder() -> None:
    stack = cdk.Stack(cdk.App(), "Shop")
    Catalog(
        stack,
        "Catalog",
        settings=DeploymentSettings(stage="shop", schema=SHOP),
        key=kms.Key(stack, "Key"),
        bucket=s3.Bucket(stack, "Bucket"),
    )
    found = Template.from_stack(stack).find_resources("AWS::Glue::Table").values()
    tables = {each["Properties"]["TableInput"]["Name"]: each["Properties"] for each in found}
    kinds = ("customer", "order", "item", "other")
    assert tables.keys() == {
        f"{name}{kind}"
        for name in ("changes", "all_changes")
        for kind in ("", *(f"_{kind}" for kind in kinds))
    }
    for kind in kinds:
        table = tables[f"changes_{kind}"]["TableInput"]
        assert [key["Name"] for key in table["PartitionKeys"]] == ["year", "month", "day"]
        assert f"/data/kind={kind}/" in json.dumps(table["StorageDescriptor"]["Location"])
        template = json.dumps(table["Parameters"]["storage.location.template"])
        assert f"/data/kind={kind}/year=${{year}}/month=${{month}}/day=${{day}}/" in template
        names = [column["Name"] for column in table["StorageDescriptor"]["Columns"]]
        assert ("group" in names) == (kind == "order")
    assert "group" in [
        column["Name"] for column in tables["changes"]["TableInput"]["StorageDescriptor"]["Columns"]
    ]
