"""Record format conversion: Firehose writes Parquet, by the columns of the catalog's table.

https://docs.aws.amazon.com/firehose/latest/dev/record-format-conversion.html
"""

from aws_cdk import aws_glue as glue
from aws_cdk import aws_kinesisfirehose as firehose

from chalicelib.catalog import renamed_keys
from chalicelib.declaration import Table


def to_parquet(table: Table, changes: glue.CfnTable) -> firehose.DataFormatConversionProps:
    """Lines of JSON into Parquet with the newest columns of the catalog's."""
    return firehose.DataFormatConversionProps(
        schema_configuration=firehose.SchemaConfiguration.from_cfn_table(changes),
        # Keys that are made lower-case first would match none of the mappings.
        input_format=firehose.OpenXJsonInputFormat(
            lowercase_column_names=False, column_to_json_key_mappings=renamed_keys(table)
        ),
        output_format=firehose.ParquetOutputFormat(compression=firehose.ParquetCompression.SNAPPY),
    )
