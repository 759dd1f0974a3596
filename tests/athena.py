"""Athena for tests: DuckDB runs its statements, as sqlglot translates them."""

import re
from collections.abc import Sequence
from itertools import count
from typing import Any

import duckdb
import msgspec
import sqlglot

from chalicelib.catalog import CURRENT, HISTORY, Column, columns, quoted
from chalicelib.compacted import compacted_columns, raw_name
from chalicelib.declaration import Table

_TYPES = {"string": "VARCHAR", "timestamp": "TIMESTAMPTZ", "int": "INTEGER"}

_MACROS = (
    "crc32_bit(c) AS CASE WHEN c & 1 = 1 THEN xor(c >> 1, 3988292384) ELSE c >> 1 END",
    "crc32_two(c) AS crc32_bit(crc32_bit(c))",
    "crc32_byte(c) AS crc32_two(crc32_two(crc32_two(crc32_two(c))))",
    "crc32(b) AS xor(list_reduce(list_transform(range(octet_length(b)), lambda i: "
    "('0x' || hex(b)[2 * i + 1 : 2 * i + 2])::BIGINT), lambda c, each: "
    "crc32_byte(xor(c, each)), 4294967295::BIGINT), 4294967295)",
)
"""Functions of Athena's that DuckDB lacks."""


def translated(statement: str) -> str:
    """Return a statement of Athena's for DuckDB, with Athena's functions as macros."""
    return sqlglot.transpile(statement, read="athena", write="duckdb")[0]


def _text(value: msgspec.Raw | None) -> str | None:
    """Return a value of a line as its column's text, exact."""
    if value is None or bytes(value) == b"null":
        return None
    text = bytes(value).decode()
    return msgspec.json.decode(text, type=str) if text.startswith('"') else text


class FakeAthena:
    """A workgroup with the tables of a lake, whose statements run at once."""

    def __init__(self, table: Table, lines: Sequence[tuple[str, bytes]]) -> None:
        """`lines` are those of the lake, each with the address of its object."""
        self.statements: list[str] = []
        self.failures: list[str] = []
        """Why the next statements fail."""
        self._ids = count(1)
        self._results: dict[str, list[tuple[Any, ...]]] = {}
        self._reasons: dict[str, str] = {}
        self.engine = duckdb.connect(":memory:")
        self.engine.execute("SET TimeZone = 'UTC'")
        for macro in _MACROS:
            self.engine.execute(f"CREATE MACRO {macro}")
        declared = columns(table)
        path = Column("$path", "string", "", "")
        self._create(raw_name("all_changes"), [*declared, path])
        for name in (HISTORY, CURRENT):
            self._create(name, compacted_columns(table, name))
        self._declared = declared
        self.add(lines)

    def add(self, lines: Sequence[tuple[str, bytes]]) -> None:
        """Let the lake have more lines."""
        read_line = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
        marks = ", ".join("?" * (len(self._declared) + 1))
        for address, text in lines:
            line = read_line(text)
            values = [_text(line.get(column.key)) for column in self._declared]
            self.engine.execute(
                f"INSERT INTO raw_all_changes VALUES ({marks})",  # noqa: S608
                [*values, address],
            )

    def _create(self, name: str, declared: Sequence[Column]) -> None:
        texts = ", ".join(f"{quoted(e.name)} {_TYPES.get(e.type, e.type)}" for e in declared)
        self.engine.execute(f"CREATE TABLE {quoted(name)} ({texts})")

    def rows(self, name: str) -> list[dict[str, Any]]:
        result = self.engine.execute(f"SELECT * FROM {quoted(name)}")  # noqa: S608
        names = [each[0] for each in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def start_query_execution(self, **request: Any) -> dict[str, Any]:
        statement, execution = request["QueryString"], str(next(self._ids))
        self.statements.append(statement)
        if self.failures:
            self._reasons[execution] = self.failures.pop(0)
        elif re.match("SELECT|MERGE", statement):
            self._results[execution] = self.engine.execute(translated(statement)).fetchall()
        return {"QueryExecutionId": execution}

    def get_query_execution(self, **request: Any) -> dict[str, Any]:
        reason = self._reasons.get(request["QueryExecutionId"])
        status = (
            {"State": "FAILED", "StateChangeReason": reason} if reason else {"State": "SUCCEEDED"}
        )
        return {"QueryExecution": {"Status": status}}

    def get_query_results(self, **request: Any) -> dict[str, Any]:
        rows = self._results[request["QueryExecutionId"]]
        cells = [
            {"Data": [{} if value is None else {"VarCharValue": str(value)} for value in row]}
            for row in rows
        ]
        updated = rows[0][0] if len(rows) == 1 and len(rows[0]) == 1 else 0
        return {"ResultSet": {"Rows": [{"Data": []}, *cells]}, "UpdateCount": updated}
