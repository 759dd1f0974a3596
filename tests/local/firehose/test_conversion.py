"""Lines of JSON into Parquet, through boto3's puts and gets, read by DuckDB and by pyarrow."""

import base64
import io
import json
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
import pytest
from pyarrow import parquet

from local.firehose import config
from local.firehose.config import ConfigError
from tests.local.firehose.stand import START_MS, asks, client, ok

COLUMNS = {
    "id": "string",
    "siteid": "string",
    "valueone": "bigint",
    "small": "int",
    "price": "decimal(38,9)",
    "expired": "boolean",
    "tags": "string",
}
KEYS = {"siteid": "siteId", "valueone": "valueOne"}


def openx(**changes: Any) -> Any:
    return {
        "OpenXJsonSerDe": {"CaseInsensitive": False, "ColumnToJsonKeyMappings": KEYS, **changes}
    }


@pytest.fixture
def make_table(emulator: str) -> Any:
    """Make a Glue table of columns; answers the schema configuration that names it."""

    def make(columns: Any) -> Any:
        database = f"lake_{uuid.uuid4().hex[:8]}"
        glue = client("glue", emulator)
        glue.create_database(DatabaseInput={"Name": database})
        described = [{"Name": name, "Type": kind} for name, kind in columns.items()]
        glue.create_table(
            DatabaseName=database,
            TableInput={"Name": "changes", "StorageDescriptor": {"Columns": described}},
        )
        return {
            "CatalogId": "000000000000",
            "DatabaseName": database,
            "TableName": "changes",
            "Region": "us-east-1",
            "VersionId": "LATEST",
            "RoleARN": "arn:aws:iam::000000000000:role/any",
        }

    return make


@pytest.fixture
def converting(deploy: Any, make_table: Any) -> Any:
    """Create a stream that converts; keyword arguments replace parts of its conversion."""

    def create(
        columns: Any = COLUMNS,
        deserializer: Any = None,
        compression: Any = "UNCOMPRESSED",
        **changes: Any,
    ) -> Any:
        return deploy(
            CompressionFormat=compression,
            DataFormatConversionConfiguration={
                "Enabled": True,
                "SchemaConfiguration": make_table(columns),
                "InputFormatConfiguration": {"Deserializer": deserializer or openx()},
                "OutputFormatConfiguration": {
                    "Serializer": {"ParquetSerDe": {"Compression": "SNAPPY"}}
                },
                **changes,
            },
        )

    return create


def rows(stream: Any) -> Any:
    """What the stream's Parquet objects hold, as pyarrow reads it."""
    return [
        row
        for key in stream.object_keys("data/")
        for row in parquet.read_table(io.BytesIO(stream.read(key))).to_pylist()
    ]


def line(**values: Any) -> Any:
    return asks(ok(json.dumps(values) + "\n", site="a"))


NEIGHBOUR = line(id="neighbour")
WHOLE = {
    "id": 'quote " and \\ and \n',
    "siteId": "x",
    "valueOne": 2**63 - 1,
    "small": -(2**31),
    "expired": True,
    "undeclared": "left out",
}


def test_a_partition_becomes_one_snappy_object_named_parquet(converting: Any, run: Any) -> None:
    running = run(converting())
    running.put(line(id="1"), line(id="2"))
    running.settle()
    (key,) = running.stream.object_keys("data/")
    assert key.endswith(".parquet")
    written = parquet.ParquetFile(io.BytesIO(running.stream.read(key))).metadata
    assert written.num_rows == 2
    assert {written.row_group(0).column(n).compression for n in range(len(COLUMNS))} == {"SNAPPY"}


def test_columns_have_the_tables_types_and_find_their_keys(converting: Any, run: Any) -> None:
    running = run(converting())
    running.put(line(**WHOLE))
    running.settle()
    (key,) = running.stream.object_keys("data/")
    schema = parquet.read_schema(io.BytesIO(running.stream.read(key)))
    assert dict(zip(schema.names, schema.types, strict=True)) == {
        "id": pyarrow.string(),
        "siteid": pyarrow.string(),
        "valueone": pyarrow.int64(),
        "small": pyarrow.int32(),
        "price": pyarrow.decimal128(38, 9),
        "expired": pyarrow.bool_(),
        "tags": pyarrow.string(),
    }
    assert rows(running.stream) == [
        {
            "id": WHOLE["id"],
            "siteid": "x",
            "valueone": 2**63 - 1,
            "small": -(2**31),
            "price": None,
            "expired": True,
            "tags": None,
        }
    ]


@pytest.mark.parametrize(
    ("column", "json_text", "value"),
    [
        ("valueOne", "9007199254740993", 2**53 + 1),
        ("valueOne", "9007199254740993.0", 2**53 + 1),
        ("valueOne", "-9223372036854775808", -(2**63)),
        ("valueOne", '"9223372036854775807"', 2**63 - 1),
        ("valueOne", "null", None),
        ("price", "12345678901234567890123456789.123456789", None),
        ("price", "0.1", Decimal("0.100000000")),
        ("tags", '["b",9007199254740993.10,{"k":null}]', '["b",9007199254740993.10,{"k":null}]'),
        ("tags", "99999999999999999999999999999999999999", "9" * 38),
        ("tags", '"caf\\u00e9"', "café"),
    ],
)
def test_values_are_exact_to_the_digit_in_duckdb_and_pyarrow(
    converting: Any, run: Any, tmp_path: Path, column: Any, json_text: Any, value: Any
) -> None:
    running = run(converting())
    text = f'{{"id": "1", "{column}": {json_text}}}\n'
    running.put(asks(ok(text, site="a")))
    running.settle()
    if column == "price" and value is None:
        value = Decimal(json_text)
    (row,) = rows(running.stream)
    assert row[column.lower()] == value
    (key,) = running.stream.object_keys("data/")
    file = tmp_path / "object.parquet"
    file.write_bytes(running.stream.read(key))
    with duckdb.connect() as database:
        found = database.execute(f"SELECT {column} FROM read_parquet('{file}')").fetchone()  # noqa: S608
    assert found == (value,)


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ('{"valueOne": "text"}', "MalformedData", "valueOne is not of type bigint"),
        (
            '{"valueOne": 9223372036854775808}',
            "MalformedData",
            "valueOne is not of type bigint",
        ),
        ('{"valueOne": 1.5}', "MalformedData", "valueOne is not of type bigint"),
        ('{"valueOne": 1e999999999}', "MalformedData", "valueOne is not of type bigint"),
        ('{"valueOne": "NaN"}', "MalformedData", "valueOne is not of type bigint"),
        ('{"valueOne": true}', "MalformedData", "valueOne is not of type bigint"),
        ('{"small": 2147483648}', "MalformedData", "small is not of type int"),
        ('{"price": 0.0123456789}', "MalformedData", "price is not of type decimal(38,9)"),
        ('{"price": 1e30}', "MalformedData", "price is not of type decimal(38,9)"),
        ('{"expired": "soon"}', "MalformedData", "expired is not of type boolean"),
        ("[]", "MalformedData", "not one JSON object"),
        ('{"a": 1', "ParseError", "malformed JSON"),
        ("text", "ParseError", "malformed JSON"),
    ],
)
def test_a_line_that_is_no_row_is_quarantined_alone(
    converting: Any, run: Any, text: Any, code: Any, told: Any
) -> None:
    running = run(converting())
    (identity, _) = running.put(asks(ok(text, site="a")), NEIGHBOUR)
    running.settle()
    assert [row["id"] for row in rows(running.stream)] == ["neighbour"]
    (document,) = running.stream.errors()
    assert document["ErrorCode"] == f"DataFormatConversion.{code}"
    assert told in document["ErrorMessage"]
    assert base64.b64decode(document["rawData"]).decode() == text
    assert document["sequenceNumber"] == identity
    assert document["dataCatalogTable"]["tableName"] == "changes"
    assert (document["attemptsMade"], document["arrivalTimestamp"]) == (1, START_MS)
    assert running.status()["quarantined"] == 1


def test_each_kind_of_failure_has_its_folder_and_no_extension(converting: Any, run: Any) -> None:
    running = run(converting())
    running.put(asks(ok('{"valueOne": "text"}', site="a")), asks({"result": "ProcessingFailed"}))
    running.settle()
    keys = running.stream.object_keys("errors/")
    assert {key.split("/")[1] for key in keys} == {"format-conversion-failed", "processing-failed"}
    assert not [key for key in keys if "." in key]
    assert {"errorCode" in document for document in running.stream.errors()} == {True, False}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"compression": "GZIP"}, "CompressionFormat is GZIP"),
        ({"deserializer": {"HiveJsonSerDe": {}}}, "OpenXJsonSerDe"),
        ({"deserializer": openx(CaseInsensitive=True)}, "CaseInsensitive"),
        ({"deserializer": openx(ConvertDotsInJsonKeysToUnderscores=True)}, "ConvertDots"),
        ({"OutputFormatConfiguration": {"Serializer": {"OrcSerDe": {}}}}, "ParquetSerDe"),
        (
            {
                "OutputFormatConfiguration": {
                    "Serializer": {"ParquetSerDe": {"Compression": "GZIP"}}
                }
            },
            "SNAPPY",
        ),
        ({"columns": {"at": "timestamp"}}, "column at is timestamp"),
        (
            {"SchemaConfiguration": {"DatabaseName": "none", "TableName": "changes"}},
            "none.changes: it is not in the catalog",
        ),
    ],
)
def test_a_conversion_that_cannot_be_done_is_refused_by_name(
    emulator: str, backend: Any, converting: Any, changes: Any, named: Any
) -> None:
    stream = converting(**changes)
    described = client("firehose", emulator).describe_delivery_stream(
        DeliveryStreamName=stream.name
    )["DeliveryStreamDescription"]
    with pytest.raises(ConfigError) as refused:
        config.read(described, backend.column_types)
    assert named in str(refused.value)
