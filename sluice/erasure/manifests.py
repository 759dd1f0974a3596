"""The metadata of Iceberg tables: what its Avro files name.

It needs pyiceberg, so that it is imported only where there are compacted tables.
"""

from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pyiceberg.io import InputFile

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
        DataFile,
        DataFileContent,
        FileFormat,
        ManifestEntry,
        ManifestEntryStatus,
        read_manifest_list,
    )
    from pyiceberg.schema import Schema

    body = in_memory(content)
    with AvroFile[Any](body) as file:
        meta = file.header.meta
    if "schema" not in meta:
        yield from (Entry(manifest.manifest_path) for manifest in read_manifest_list(body))
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
