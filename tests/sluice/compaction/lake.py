"""A lake of a worked declaration, whose changes a test knows."""

import gzip
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.catalog import HISTORY, key_columns, partition_column, partition_levels
from chalicelib.compaction import Compacted
from chalicelib.declaration import Table
from sluice.compaction.rows import SEQUENCE
from sluice.compaction.run import compact, older_objects
from sluice.compaction.tables import LakeTables
from sluice.items import Item
from sluice.query.athena import QueryResult
from sluice.query.emulator import Limits, answer
from sluice.stack import Stack
from tests.declaring import change, delivered

COUNT = 12
"""Records of a lake."""


@dataclass
class Lake:
    """A lake of a worked declaration, and the changes that it holds."""

    stack: Stack
    table: Table
    items: list[Item]
    payloads: list[bytes]
    objects: int = 0

    def write(self, payloads: Sequence[bytes]) -> None:
        """Deliver changes in objects of a few lines each."""
        folders: dict[str, list[bytes]] = {}
        for folder, line in delivered(self.table, payloads):
            folders.setdefault(folder, []).append(line)
        for folder, lines in folders.items():
            for start in range(0, len(lines), 3):
                self.objects += 1
                body = gzip.compress(b"".join(lines[start : start + 3]))
                key = f"{folder}object-{self.objects}.gz"
                self.stack.s3.put_object(Bucket=self.stack.bucket, Key=key, Body=body)

    def compact(self, problems: list[str] | None = None) -> Compacted:
        return compact(self.tables, self.stored(), [] if problems is None else problems)

    @property
    def tables(self) -> LakeTables:
        return LakeTables(self.stack, self.table)

    def stored(self) -> list[Any]:
        return list(older_objects(self.stack, datetime.now(UTC) + timedelta(hours=1)))

    def rows(self, name: str) -> list[dict[str, Any]]:
        iceberg = self.tables.find(name)
        assert iceberg is not None
        rows: list[dict[str, Any]] = iceberg.scan().to_arrow().to_pylist()
        return rows

    def run(self, sql: str) -> QueryResult:
        """Run a query as the local stack does."""
        levels = {partition_column(each): each.name for each in partition_levels(self.table)}
        result = answer(self.stack, self.table, sql, levels, Limits())
        return QueryResult(result.columns, iter(result.rows), result.scanned_bytes, 0.0)

    def ask(self, sql: str) -> list[str]:
        return sorted(map(repr, self.run(sql).rows))

    def latest(self) -> dict[Any, str]:
        """The greatest sequence of each key, by the changes themselves."""
        rows = self.rows(HISTORY)
        keys = key_columns(self.table)
        last: dict[Any, str] = {}
        for row in rows:
            key = tuple(row[name] for name in keys)
            last[key] = max(last.get(key, ""), row[SEQUENCE])
        return last


def changes(items: Sequence[Item], chance: random.Random, *, repeated: bool = True) -> list[bytes]:
    """Inserts, changes and deletes of items in disorder, some of them twice where `repeated`."""
    payloads = []
    for number, item in enumerate(items):
        payloads.append(change(item, 10 * number + 1))
        payloads.append(change(item, 10 * number + 2, "MODIFY"))
        if number % 3 == 0:
            payloads.append(change(item, 10 * number + 3, "REMOVE"))
    if repeated:
        payloads += chance.sample(payloads, len(payloads) // 3)
    chance.shuffle(payloads)
    return payloads
