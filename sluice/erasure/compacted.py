"""The erasure of keys from the compacted tables.

A file with changes of theirs is written anew without them, and the table gets a state with no trace
of the old one. Then everything goes that had it: the earlier states, their metadata, and at last
the file itself, by which all the others are found. So what a run leaves when it ends anywhere is
the work of the next.

A file that no state has, as a compaction that was killed leaves it, goes too. It is not about to be
committed: the local engine commits only to the state that it began with, and Athena's statements
have ended before (`sluice.erasure.statements`).
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from chalicelib.catalog import CURRENT, HISTORY, ICEBERG_PREFIX
from chalicelib.objects import listing
from sluice.compaction.commits import COMMIT_TRIES, committed
from sluice.compaction.files import read_files, replace_files, write_files
from sluice.compaction.maintenance import needed_files
from sluice.compaction.tables import LakeTables
from sluice.erasure.changes import KeyChange
from sluice.erasure.iceberg import CompactedFiles
from sluice.erasure.versions import Version, delete_versions, is_missing, versions, versions_of
from sluice.errors import OperationError
from sluice.optional import optional

if TYPE_CHECKING:
    from pyiceberg.manifest import ManifestEntry
    from pyiceberg.table import Table as IcebergTable

_READ_AT_ONCE = 8


def erase_from_tables(
    files: CompactedFiles, objects: Collection[str], goes: Callable[[KeyChange], bool]
) -> None:
    """Erase what goes from these objects, and from all that is known of them.

    Each table gets a new state, whether or not an object is of it: so a compaction that has changes
    of a key in its memory cannot commit before it asks again which keys were erased. Raises
    OperationError.
    """
    if not any(True for _ in versions(files.stack.s3, files.stack.bucket, ICEBERG_PREFIX)):
        return
    optional("pyiceberg.table", "erasing from compacted tables")
    tables = LakeTables(files.stack, files.stack.table)
    for name in (HISTORY, CURRENT):
        cleaning = _Cleaning(files, tables, name, goes)
        of_table = [key for key in objects if key.startswith(cleaning.folder)]
        for left in reversed(range(COMMIT_TRIES)):
            try:
                cleaning.run(of_table)
                break
            except (OSError, ClientError) as error:
                # Another erasure may have deleted what this one was about to read.
                if not left or not _is_of_missing(error):
                    raise
                files.forget()
    files.forget()


def _is_of_missing(error: Exception) -> bool:
    """Whether an error of S3, or of Arrow that asked it, says that an object is not there."""
    if isinstance(error, ClientError):
        return is_missing(error)
    return isinstance(error, FileNotFoundError) or "NO_SUCH_KEY" in str(error)


class _Cleaning:
    """The erasure from one table."""

    def __init__(
        self,
        files: CompactedFiles,
        tables: LakeTables,
        name: str,
        goes: Callable[[KeyChange], bool],
    ) -> None:
        self.folder = f"{ICEBERG_PREFIX}{name}/"
        self._files = files
        self._find = partial(tables.find, name)
        self._name = name
        self._goes = goes
        self._s3, self._bucket = files.stack.s3, files.stack.bucket

    def run(self, objects: Iterable[str]) -> None:
        """Erase what goes from these objects."""
        concerned = [versions_of(self._s3, self._bucket, key) for key in objects]
        with_rows = {
            self._path(of_key[-1]): of_key[-1].key
            for of_key in concerned
            if any(self._files.has_rows(each, self._goes) for each in of_key)
        }
        committed(partial(self._rewrite, with_rows))
        if not concerned:
            return
        gone = with_rows.keys() - self._live_files()
        committed(partial(self._expire, gone))
        self._delete(self._metadata_of(gone))
        self._delete(
            each for path in gone for each in versions_of(self._s3, self._bucket, with_rows[path])
        )

    def _rewrite(self, paths: Collection[str]) -> None:
        """Give the table a state with no trace of these files, nor of any that is no more."""
        from pyiceberg.expressions import AlwaysTrue

        table = self._find()
        if table is None:
            return
        tasks = {task.file.file_path: task for task in table.scan().plan_files()}
        replaced = {path: task for path, task in tasks.items() if path in paths}
        # To write a manifest anew without what it says is deleted, a file of it must be replaced.
        for entries in self._manifests_with_traces(table, paths):
            live = tasks.keys() & {entry.data_file.file_path for entry in entries}
            if live and replaced.keys().isdisjoint(live):
                smallest = min(live, key=lambda path: tasks[path].file.record_count)
                replaced[smallest] = tasks[smallest]
        with table.transaction() as transaction:
            if replaced:
                rows = (read_files(table, [task]) for task in replaced.values())
                stay = (self._files.without(each, self._goes) for each in rows)
                added = chain.from_iterable(write_files(table, each) for each in stay)
                replace_files(transaction, replaced.values(), added, AlwaysTrue())
            # This one leaves out the manifests of which all files are deleted.
            transaction.update_snapshot().fast_append().commit()

    def _manifests_with_traces(
        self, table: "IcebergTable", paths: Collection[str]
    ) -> Iterator[list["ManifestEntry"]]:
        """Yield the entries of each manifest in use that says that such a file is deleted."""
        from pyiceberg.manifest import ManifestContent, ManifestEntryStatus

        exists = self._existing()
        snapshot = table.current_snapshot()
        for manifest in snapshot.manifests(table.io) if snapshot else ():
            entries = manifest.fetch_manifest_entry(table.io, discard_deleted=False)
            deleted = (
                entry.data_file.file_path
                for entry in entries
                if entry.status == ManifestEntryStatus.DELETED
            )
            if manifest.content == ManifestContent.DATA and any(
                path in paths or not exists(path) for path in deleted
            ):
                yield entries

    def _live_files(self) -> set[str]:
        table = self._find()
        return {task.file.file_path for task in table.scan().plan_files()} if table else set()

    def _expire(self, gone: Collection[str]) -> None:
        """Remove the earlier states that had one of these files, or one that is no more."""
        table = self._find()
        if table is None or (current := table.current_snapshot()) is None:
            return
        exists = self._existing()
        expired = [
            snapshot
            for snapshot, paths in _paths(table).items()
            if snapshot != current.snapshot_id
            and any(path in gone or not exists(path) for path in paths)
        ]
        for name, ref in table.metadata.refs.items():
            if ref.snapshot_id in expired:
                raise OperationError(
                    f"the table {self._name} has the branch or tag {name!r}, which keeps changes "
                    "of the keys; remove it, and run the command again"
                )
        if expired:
            table.maintenance.expire_snapshots().by_ids(expired).commit()

    def _metadata_of(self, files: Iterable[str]) -> list[Version]:
        """Return the versions of the table's metadata that name one of these files, or one that is
        no more."""
        of_folder = versions(self._s3, self._bucket, f"{self.folder}metadata/")
        listed = [each for of_key in of_folder for each in of_key]
        exists = self._existing()
        with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
            entries = list(zip(listed, pool.map(self._files.entries, listed), strict=True))
        table = self._find()
        needed = set() if table is None else set(needed_files(table))
        gone = set(files)
        # Manifests name files, and lists name manifests.
        for _ in range(2):
            gone |= {
                self._path(version)
                for version, of_version in entries
                if any(each.path in gone or not exists(each.path) for each in of_version)
            }
        gone -= needed
        return [version for version in listed if self._path(version) in gone]

    def _existing(self) -> Callable[[str], bool]:
        """Return whether the object at an address is there.

        One that is not in the listing may be younger than that.
        """
        listed = {
            f"s3://{self._bucket}/{each.key}"
            for each in listing(self._s3, self._bucket, self.folder)
        }
        return lambda path: path in listed or self._files.exists(path)

    def _delete(self, doomed: Iterable[Version]) -> None:
        """Delete versions for good, and then the markers of their deletion."""
        all_of_them = list(doomed)
        for is_marker in (False, True):
            of_kind = [each for each in all_of_them if each.is_marker == is_marker]
            delete_versions(self._s3, self._bucket, of_kind)

    def _path(self, version: Version) -> str:
        return f"s3://{self._bucket}/{version.key}"


def _paths(table: "IcebergTable") -> dict[int, set[str]]:
    """Return the addresses of the files that each state of a table has, or says are deleted."""
    of_manifests: dict[str, set[str]] = {}
    of_snapshots: dict[int, set[str]] = {}
    for snapshot in table.snapshots():
        paths = of_snapshots.setdefault(snapshot.snapshot_id, set())
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path not in of_manifests:
                entries = manifest.fetch_manifest_entry(table.io, discard_deleted=False)
                of_manifests[manifest.manifest_path] = {
                    entry.data_file.file_path for entry in entries
                }
            paths |= of_manifests[manifest.manifest_path]
    return of_snapshots
