"""Record format conversion: `format=parquet` in the synthesized template."""

from typing import Any

import pytest

from chalicelib.catalog import columns
from chalicelib.schema import TABLE
from infrastructure.settings import DeploymentSettings, SettingsError

STREAM = "Delivery/Stream"
READING = {"glue:GetTable", "glue:GetTableVersion", "glue:GetTableVersions"}
CATALOG = "arn:${AWS::Partition}:glue:${AWS::Region}:${AWS::AccountId}"


def destination(deployment: Any) -> Any:
    return deployment[STREAM]["ExtendedS3DestinationConfiguration"]


def conversion(deployment: Any) -> Any:
    return destination(deployment)["DataFormatConversionConfiguration"]


def test_lines_stay_json_unless_parquet_is_asked_for(dev: Any) -> None:
    assert "DataFormatConversionConfiguration" not in destination(dev)
    granted = set().union(*dev.allowed("Delivery/Role").values())
    assert not granted & READING


def test_parquet_is_compressed_within_and_not_once_more(prod: Any) -> None:
    assert conversion(prod)["Enabled"] is True
    assert conversion(prod)["OutputFormatConfiguration"] == {
        "Serializer": {"ParquetSerDe": {"Compression": "SNAPPY"}}
    }
    assert "CompressionFormat" not in destination(prod)


def test_the_columns_are_those_of_changes_as_it_is_now(prod: Any) -> None:
    schema = conversion(prod)["SchemaConfiguration"]
    assert schema == {
        "CatalogId": "${AWS::AccountId}",
        "DatabaseName": "${Catalog/Database}",
        "TableName": "${Catalog/Changes}",
        "Region": "${AWS::Region}",
        "VersionId": "LATEST",
        "RoleARN": "${Delivery/Role.Arn}",
    }


def test_every_column_finds_the_key_of_its_line(prod: Any) -> None:
    deserializer = conversion(prod)["InputFormatConfiguration"]["Deserializer"]["OpenXJsonSerDe"]
    mapping = deserializer["ColumnToJsonKeyMappings"]
    assert deserializer["CaseInsensitive"] is False
    assert {c.name: mapping.get(c.name, c.name) for c in columns(TABLE)} == {
        c.name: c.key for c in columns(TABLE)
    }


def test_the_role_may_read_that_table_by_name_and_no_other(prod: Any) -> None:
    allowed = prod.allowed("Delivery/Role")
    assert {name for name, actions in allowed.items() if actions & READING} == {
        f"{CATALOG}:catalog",
        f"{CATALOG}:database/${{Catalog/Database}}",
        f"{CATALOG}:table/${{Catalog/Database}}/${{Catalog/Changes}}",
    }
    assert all(actions == READING for name, actions in allowed.items() if ":glue:" in name)


@pytest.mark.parametrize(
    ("kind", "classification", "serde"),
    [
        ("dev", "json", "org.openx.data.jsonserde.JsonSerDe"),
        ("prod", "parquet", "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"),
    ],
)
def test_the_tables_read_what_the_stream_writes(
    deployments: Any, kind: str, classification: str, serde: str
) -> None:
    for table in ("Catalog/Changes", "Catalog/AllChanges"):
        found = deployments[kind][table]["TableInput"]
        storage = found["StorageDescriptor"]
        assert found["Parameters"]["classification"] == classification
        assert storage["SerdeInfo"]["SerializationLibrary"] == serde
        assert ("Parquet" in storage["InputFormat"]) == (kind == "prod")
        assert ("Parquet" in storage["OutputFormat"]) == (kind == "prod")


@pytest.mark.parametrize(
    ("context", "told"),
    [
        ({"format": "orc"}, "must be one of json, parquet"),
        ({"format": "parquet", "buffer_megabytes": "63"}, "from 64 to 128"),
    ],
)
def test_what_conversion_cannot_do_is_refused_before_synthesis(
    context: dict[str, str], told: str
) -> None:
    with pytest.raises(SettingsError, match=told):
        DeploymentSettings.from_context(context)
