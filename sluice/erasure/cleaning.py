"""How changes of the keys go from the objects that have them.

An object is rewritten only if it is still what was read, and old versions are deleted by their ids:
so a writer beside is never overwritten, and what a run leaves when it ends anywhere is the work of
the next.
"""

import gzip
from collections.abc import Callable, Collection
from functools import partial

from botocore.exceptions import ClientError

from chalicelib.catalog import ICEBERG_PREFIX
from sluice.erasure.compacted import erase_from_tables
from sluice.erasure.places import Content, Reader, Rule
from sluice.erasure.versions import delete_versions, is_missing, versions_of
from sluice.errors import OperationError
from sluice.stack import Stack

REWRITES_MAX = 10
"""Tries to rewrite an object that others rewrite meanwhile."""

_CHANGED = ("PreconditionFailed", "ConditionalRequestConflict")


class Cleaning:
    """Takes what goes out of the objects of one stack's bucket."""

    def __init__(self, stack: Stack, reader: Reader) -> None:
        self._s3, self._bucket = stack.s3, stack.bucket
        self._reader = reader

    def run(
        self, objects: Collection[str], goes: Rule, let_readers_end: Callable[[], None]
    ) -> None:
        """Erase what goes from all versions of these objects. Raises OperationError.

        `let_readers_end` waits for those who read it before and are about to write: first what they
        read in raw objects, then what they read in the tables. So does a run that finds nothing,
        after one that was killed.
        """
        of_tables = [key for key in objects if key.startswith(ICEBERG_PREFIX)]
        for key in objects:
            if not key.startswith(ICEBERG_PREFIX):
                self._clean(key, goes)
        let_readers_end()
        erase_from_tables(self._reader.compacted, of_tables, partial(goes, ICEBERG_PREFIX))
        if of_tables:
            let_readers_end()

    def _clean(self, key: str, goes: Rule) -> None:
        for _ in range(REWRITES_MAX):
            of_key = versions_of(self._s3, self._bucket, key)
            dirty = {each.version: each for each in self._reader.read(of_key, goes)}
            newest = next((each for each in dirty.values() if each.version.is_latest), None)
            is_empty = newest is not None and newest.filtered.content is None
            if newest and not is_empty and not self._rewrite(key, newest):
                continue
            # Of an object of which nothing stays all goes, or an older version would be the
            # object's; and the newest last, for the same reason when it ends in between.
            old = of_key if is_empty else list(dirty)
            delete_versions(self._s3, self._bucket, [each for each in old if not each.is_latest])
            delete_versions(self._s3, self._bucket, [each for each in old if each.is_latest])
            if newest is None:
                left = [each for each in of_key if each not in dirty]
                if all(each.is_marker for each in left):
                    delete_versions(self._s3, self._bucket, left)
            return
        raise OperationError(
            f"s3://{self._bucket}/{key} was rewritten by others {REWRITES_MAX} times in a row; run "
            "the command again"
        )

    def _rewrite(self, key: str, content: Content) -> bool:
        """Whether an object was replaced by what stays of it; not if it is another by now."""
        body = content.filtered.content or b""
        try:
            self._s3.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=gzip.compress(body) if content.zipped else body,
                IfMatch=content.etag,
                **content.headers,
            )
        except ClientError as refused:
            if refused.response["Error"].get("Code") in _CHANGED or is_missing(refused):
                return False
            raise
        return True
