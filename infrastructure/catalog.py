"""The lake as SQL tables: Glue's database, and Athena's workgroup with the saved queries.

Partitions are projected, not registered: no crawler runs, and a folder is read once it exists.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aws_cdk import Duration, Stack
from aws_cdk import aws_athena as athena
from aws_cdk import aws_glue as glue
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from chalicelib.catalog import (
    CHANGES,
    Column,
    LakeTable,
    columns,
    folder,
    lake_tables,
    location,
    partition_columns,
    projection,
    serde_mapping,
)
from chalicelib.compacted import View, raw_name, view_text, views
from chalicelib.declaration import Table
from chalicelib.partitions import RESULT_PREFIX
from infrastructure.retention import removal_policy
from infrastructure.settings import DeploymentSettings
from sluice.planning.settings import Format
from sluice.query.saved import saved_queries


class Storage(NamedTuple):
    """The way a table's objects are read."""

    classification: str
    input_format: str
    output_format: str
    serde: str


_JSON = Storage(
    "json",
    "org.apache.hadoop.mapred.TextInputFormat",
    "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    "org.openx.data.jsonserde.JsonSerDe",
)
_PARQUET = Storage(
    "parquet",
    "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
)
_STORAGES: Mapping[Format, Storage] = {"json": _JSON, "parquet": _PARQUET}


class Catalog(Construct):
    """The tables over the lake, and the workgroup to query them in."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: DeploymentSettings,
        key: kms.IKey,
        bucket: s3.Bucket,
    ) -> None:
        super().__init__(scope, id)
        self._bucket = bucket
        self.database = glue.CfnDatabase(
            self,
            "Database",
            catalog_id=Stack.of(self).account,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                name=settings.database_name,
                description=f"The lake of {settings.stack_name}: every change of its table.",
            ),
        )
        table = settings.table
        if settings.compacts:
            # The catalog's entry knows where a compacted table's newest metadata are.
            self.database.apply_removal_policy(removal_policy(settings))
        tables = {each.name: self._table(each, table, settings) for each in lake_tables(table)}
        self.changes = tables[CHANGES]
        """The table of the raw changes, with their columns."""
        self.views = [
            self._view(view, settings) for view in (views(table) if settings.compacts else ())
        ]
        self.workgroup = self._workgroup(settings, key)
        if settings.target == "aws":
            self._save_queries(table, settings)

    def _table(
        self, lake_table: LakeTable, table: Table, settings: DeploymentSettings
    ) -> glue.CfnTable:
        """A table over all of the lake, or over the part of it that has one kind."""
        storage, kind = _STORAGES[settings.format], lake_table.kind
        parameters = {"EXTERNAL": "TRUE", "classification": storage.classification}
        partitions: Sequence[Column] = ()
        if lake_table.is_partitioned:
            partitions = partition_columns(table, kind)
            template = self._bucket.s3_url_for_object(location(table, kind))
            parameters |= projection(table, settings.sites, settings.years, kind)
            parameters["storage.location.template"] = template
        # A view has the name, and the id in the template, that its table had before there were
        # views: so it takes that table's place, and the raw table is new.
        name, construct_id = lake_table.name, _construct_id(lake_table.name)
        if settings.compacts:
            name, construct_id = raw_name(name), f"Raw{construct_id}"
        return self._entry(
            construct_id,
            name=name,
            description=lake_table.description,
            table_type="EXTERNAL_TABLE",
            partition_keys=_glue_columns(partitions),
            parameters=parameters,
            storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                location=self._bucket.s3_url_for_object(folder(kind)),
                columns=_glue_columns(columns(table, kind)),
                input_format=storage.input_format,
                output_format=storage.output_format,
                serde_info=glue.CfnTable.SerdeInfoProperty(
                    serialization_library=storage.serde,
                    parameters=serde_mapping(table, kind) if storage is _JSON else {},
                ),
            ),
        )

    def _view(self, view: View, settings: DeploymentSettings) -> glue.CfnTable:
        return self._entry(
            _construct_id(view.name),
            name=view.name,
            description=view.description,
            table_type="VIRTUAL_VIEW",
            partition_keys=[],
            parameters={"presto_view": "true", "comment": "Presto View"},
            storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                columns=_glue_columns(view.columns),
                serde_info=glue.CfnTable.SerdeInfoProperty(),
            ),
            view_original_text=view_text(view, settings.database_name),
            view_expanded_text="/* Presto View */",
        )

    def _entry(self, id: str, **table: Any) -> glue.CfnTable:
        """An entry of the database for a table or a view."""
        return glue.CfnTable(
            self,
            id,
            catalog_id=Stack.of(self).account,
            database_name=self.database.ref,
            table_input=glue.CfnTable.TableInputProperty(**table),
        )

    def _workgroup(self, settings: DeploymentSettings, key: kms.IKey) -> athena.CfnWorkGroup:
        # The results are data as well: they go with the lake, under a prefix no table reads.
        self._bucket.add_lifecycle_rule(
            id="query-results",
            prefix=RESULT_PREFIX,
            expiration=Duration.days(settings.result_days),
            noncurrent_version_expiration=Duration.days(1),
        )
        return athena.CfnWorkGroup(
            self,
            "WorkGroup",
            name=settings.stack_name,
            description=f"Queries of the lake of {settings.stack_name}.",
            recursive_delete_option=True,
            work_group_configuration=athena.CfnWorkGroup.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=True,
                publish_cloud_watch_metrics_enabled=True,
                bytes_scanned_cutoff_per_query=settings.scan_gigabytes * 10**9,
                engine_version=athena.CfnWorkGroup.EngineVersionProperty(
                    selected_engine_version="Athena engine version 3"
                ),
                result_configuration=athena.CfnWorkGroup.ResultConfigurationProperty(
                    output_location=self._bucket.s3_url_for_object(RESULT_PREFIX),
                    encryption_configuration=athena.CfnWorkGroup.EncryptionConfigurationProperty(
                        encryption_option="SSE_KMS", kms_key=key.key_arn
                    ),
                ),
            ),
        )

    def _save_queries(self, table: Table, settings: DeploymentSettings) -> None:
        """Add the saved queries, with `?` for the values that Athena's console asks for."""
        for query in saved_queries(table, last_changes=settings.compacts).values():
            athena.CfnNamedQuery(
                self,
                f"Query-{query.name}",
                name=query.name,
                description=query.description,
                database=self.database.ref,
                work_group=self.workgroup.ref,
                query_string=query.prepared,
            )


def _construct_id(name: str) -> str:
    """The id of a table: `AllChanges-order` for that of the name `all_changes_order`."""
    of_all, changes, kind = name.partition("changes")
    prefix = "".join(part.capitalize() for part in (of_all + changes).split("_"))
    return prefix + kind.replace("_", "-", 1)


def _glue_columns(columns: Sequence[Column]) -> list[glue.CfnTable.ColumnProperty]:
    return [
        glue.CfnTable.ColumnProperty(name=each.name, type=each.type, comment=each.comment or None)
        for each in columns
    ]
