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

_GLUE_TYPES = {
    "VARCHAR": "string",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    "INTEGER": "int",
    "BIGINT": "bigint",
    "BOOLEAN": "boolean",
}

_CRC32 = (
    "crc32(b) AS xor(list_reduce(list_transform(range(octet_length(b)), lambda i: "
    "('0x' || hex(b)[2 * i + 1 : 2 * i + 2])::BIGINT), lambda c, each: list_reduce(range(8), "
    "lambda x, _: CASE WHEN x & 1 = 1 THEN xor(x >> 1, 3988292384) ELSE x >> 1 END, "
    "xor(c, each)), 4294967295::BIGINT), 4294967295)"
)
"""A function of Athena's that DuckDB lacks. A macro's argument is copied wherever it is used, so
that eight steps of a byte in one another would be an expression of megabytes."""


def translated(statement: str) -> str:
    """Return a statement of Athena's for DuckDB, with Athena's `crc32` as a macro."""
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
        self.engine.execute(f"CREATE MACRO {_CRC32}")
        self._lines: list[tuple[str, bytes]] = []
        self.declare(table)
        for name in (HISTORY, CURRENT):
            self._create(name, compacted_columns(table, name))
        self.add(lines)

    def declare(self, table: Table) -> None:
        """Let the raw lines be read as they are declared from now on."""
        self._declared = columns(table)
        self.engine.execute("DROP TABLE IF EXISTS raw_all_changes")
        self._create(raw_name("all_changes"), [*self._declared, Column("$path", "string", "", "")])
        lines, self._lines = self._lines, []
        self.add(lines)

    def delete(self, addresses: Sequence[str]) -> None:
        """Let the lake have these objects no more."""
        self._lines = [each for each in self._lines if each[0] not in addresses]
        marks = ", ".join("?" * len(addresses))
        delete = f'DELETE FROM raw_all_changes WHERE "$path" IN ({marks})'  # noqa: S608
        self.engine.execute(delete, list(addresses))

    def add(self, lines: Sequence[tuple[str, bytes]]) -> None:
        """Let the lake have more lines."""
        self._lines += lines
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
        elif statement.startswith("ALTER"):
            self._alter(statement)
        elif re.match("SELECT|MERGE", statement):
            self._results[execution] = self.engine.execute(translated(statement)).fetchall()
        return {"QueryExecutionId": execution}

    def _alter(self, statement: str) -> None:
        """Add columns, as Hive's DDL has them, one by one."""
        parsed = sqlglot.parse_one(statement, read="athena")
        table = parsed.this.sql("duckdb")
        for each in parsed.find_all(sqlglot.exp.ColumnDef):
            self.engine.execute(
                f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {each.sql('duckdb')}"
            )

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


class FakeGlue:
    """A catalog of tables with their columns: those of a FakeAthena, if there is one."""

    class exceptions:  # noqa: N801 - as boto3 has it
        class EntityNotFoundException(Exception):  # noqa: N818
            pass

    def __init__(self, tables: dict[str, dict[str, str]], athena: FakeAthena | None = None) -> None:
        self.tables = tables
        self.created: list[dict[str, Any]] = []
        self._athena = athena

    def get_table(self, **request: Any) -> dict[str, Any]:
        name = request["Name"]
        if self._athena is not None:
            described = self._athena.engine.execute(f"DESCRIBE {quoted(name)}").fetchall()
            types = {column: _GLUE_TYPES[kind] for column, kind, *_ in described}
        elif name in self.tables:
            types = self.tables[name]
        else:
            raise self.exceptions.EntityNotFoundException
        columns = [{"Name": n, "Type": t} for n, t in types.items()]
        return {"Table": {"StorageDescriptor": {"Columns": columns}}}

    def create_table(self, **request: Any) -> None:
        self.created.append(request)
