"""Record format conversion: Firehose writes Parquet, by the columns of the catalog's table.

https://docs.aws.amazon.com/firehose/latest/dev/record-format-conversion.html
"""

from aws_cdk import Stack
from aws_cdk import aws_glue as glue
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesisfirehose as firehose

from chalicelib.catalog import renamed_keys


def to_parquet(table: glue.CfnTable) -> firehose.DataFormatConversionProps:
    """Lines of JSON into Parquet with the newest columns of a table."""
    return firehose.DataFormatConversionProps(
        schema_configuration=firehose.SchemaConfiguration.from_cfn_table(table),
        # Keys that are made lower-case first would match none of the mappings.
        input_format=firehose.OpenXJsonInputFormat(
            lowercase_column_names=False, column_to_json_key_mappings=renamed_keys()
        ),
        output_format=firehose.ParquetOutputFormat(compression=firehose.ParquetCompression.SNAPPY),
    )


def reading_columns(table: glue.CfnTable) -> iam.PolicyStatement:
    """What Firehose needs to read a table's columns, each level of the catalog by its name
    (https://docs.aws.amazon.com/firehose/latest/dev/controlling-access.html#using-iam-glue)."""
    stack = Stack.of(table)
    return iam.PolicyStatement(
        actions=["glue:GetTable", "glue:GetTableVersion", "glue:GetTableVersions"],
        resources=[
            stack.format_arn(service="glue", resource="catalog"),
            stack.format_arn(
                service="glue", resource="database", resource_name=table.database_name
            ),
            stack.format_arn(
                service="glue",
                resource="table",
                resource_name=f"{table.database_name}/{table.ref}",
            ),
        ],
    )
