"""The metadata of Iceberg tables: what its Avro files name, and a snapshot without some of it.

It needs pyiceberg, so that it is imported only where there are compacted tables.
"""

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pyiceberg.io import InputFile
    from pyiceberg.manifest import ManifestEntry, ManifestFile
    from pyiceberg.table import Transaction
    from pyiceberg.table.update.snapshot import _OverwriteFiles

_VERSION = 2


class Entry(NamedTuple):
    """What a manifest says of a data file, or a list of a manifest."""

    path: str
    bounds: tuple[Any, ...] = ()
    """Of the column that was asked for: its least and its greatest value, as far as kept."""


def entries(content: bytes, column: str) -> Iterator[Entry]:
    """Yield all entries of a manifest, with the bounds of a column, or those of a list of them.

    Raises ValueError for what is neither.
    """
    from pyiceberg.avro.file import AvroFile
    from pyiceberg.conversions import from_bytes
    from pyiceberg.manifest import (
        MANIFEST_ENTRY_SCHEMAS,
        MANIFEST_LIST_FILE_SCHEMAS,
        DataFile,
        DataFileContent,
        FileFormat,
        ManifestContent,
        ManifestEntry,
        ManifestEntryStatus,
        ManifestFile,
        PartitionFieldSummary,
    )
    from pyiceberg.schema import Schema

    body = in_memory(content)
    with AvroFile[Any](body) as file:
        meta = file.header.meta
    if "schema" not in meta:
        with AvroFile[ManifestFile](
            body,
            MANIFEST_LIST_FILE_SCHEMAS[_VERSION],
            read_types={-1: ManifestFile, 508: PartitionFieldSummary},
            read_enums={517: ManifestContent},
        ) as manifests:
            for manifest in manifests:
                yield Entry(manifest.manifest_path)
        return
    field = Schema.model_validate_json(meta["schema"]).find_field(column)
    with AvroFile[ManifestEntry](
        body,
        MANIFEST_ENTRY_SCHEMAS[_VERSION],
        read_types={-1: ManifestEntry, 2: DataFile},
        read_enums={0: ManifestEntryStatus, 101: FileFormat, 134: DataFileContent},
    ) as of_files:
        for entry in of_files:
            kept = (entry.data_file.lower_bounds, entry.data_file.upper_bounds)
            bounds = (each[field.field_id] for each in kept if each and field.field_id in each)
            yield Entry(
                entry.data_file.file_path,
                tuple(from_bytes(field.field_type, each) for each in bounds),  # type: ignore[arg-type]
            )


def in_memory(content: bytes) -> "InputFile":
    """Return a file of this content."""
    from pyiceberg.io import InputFile

    class Content(InputFile):
        """A file of which the content is known."""

        def __init__(self) -> None:
            super().__init__("")

        def __len__(self) -> int:
            return len(content)

        def exists(self) -> bool:
            return True

        def open(self, seekable: bool = True) -> BytesIO:  # noqa: ARG002
            return BytesIO(content)

    return Content()


def without(
    transaction: "Transaction", is_stale: "Callable[[ManifestEntry], bool]"
) -> "_OverwriteFiles":
    """Return a snapshot that has no trace of the stale data files: no live and no deleted entry.

    Of a manifest that names one, only the other live entries are written on, with the sequence
    numbers by which files of deleted rows apply to them.
    """
    from pyiceberg.manifest import ManifestContent, ManifestEntryStatus
    from pyiceberg.table.snapshots import Operation
    from pyiceberg.table.update.snapshot import _OverwriteFiles

    class Without(_OverwriteFiles):
        """The snapshot."""

        def _deleted_entries(self) -> "list[ManifestEntry]":
            return []

        def _existing_manifests(self) -> "list[ManifestFile]":
            snapshot = self._transaction.table_metadata.current_snapshot()
            assert snapshot is not None  # noqa: S101
            manifests = []
            for manifest in snapshot.manifests(self._io):
                all_entries = manifest.fetch_manifest_entry(self._io, discard_deleted=False)
                stay = [entry for entry in all_entries if not is_stale(entry)]
                live = [entry for entry in stay if entry.status != ManifestEntryStatus.DELETED]
                if manifest.content != ManifestContent.DATA or len(stay) == len(all_entries):
                    manifests.append(manifest)
                elif live:
                    manifests.append(self._written(manifest, live))
            return manifests

        def _written(self, manifest: "ManifestFile", live: "list[ManifestEntry]") -> "ManifestFile":
            with self.new_manifest_writer(self.spec(manifest.partition_spec_id)) as writer:
                for entry in live:
                    writer.existing(entry)
            return writer.to_manifest_file()

    return Without(operation=Operation.OVERWRITE, transaction=transaction, io=transaction._table.io)
