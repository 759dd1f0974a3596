"""The statements that make the emulator's Athena answer as Athena does.

Its engine, DuckDB, guesses the types of columns from the JSON (an id may become a UUID, a name a
date, and a column that no line has is unknown), names each partition as its folder, and lacks
`from_unixtime`. So statements that make the tables of AWS from the text of the lines run before a
query. DuckDB can also read and write the files of the machine it runs on, which is the person's
own: once the tables are made, it is locked out of all files.
"""

from collections.abc import Mapping

from chalicelib.catalog import ALL_CHANGES, CHANGES, LINES, Column, columns
from chalicelib.partitions import TIME_FORMATS
from sluice.errors import OperationError
from sluice.optional import optional

NO_DATABASE = "none"
"""The database that a query names, so that its tables are those made before it."""

_NO_FILES = "file system operations are disabled"


def bridged(sql: str, database: str, levels: Mapping[str, str], classification: str) -> str:
    """Return the statements to run for a query. Raises OperationError when it is not one SELECT.

    `levels` has the level of the layout for each partition column. Parquet files hold their types,
    so for them the table itself is read.
    """
    _refuse_all_but_one_select(sql)
    names = [column.name for column in columns()]
    times = [name for name, level in levels.items() if level in TIME_FORMATS]
    partitions = [
        name if level in TIME_FORMATS else f"url_encode({level.lower()}) AS {name}"
        for name, level in levels.items()
    ]
    typed = classification != "json"
    values = names if typed else [_from_line(column) for column in columns()]
    stored = f'"{database}"."{CHANGES if typed else LINES}"'
    all_names = ", ".join(names + partitions)
    source = f"FROM {stored} AS stored SELECT {', '.join(values + times)}"
    return ";\n".join(
        [
            "CREATE TEMP MACRO from_unixtime(s) AS epoch_ms(CAST(round(s * 1000) AS BIGINT))",
            f"CREATE TEMP TABLE {CHANGES} AS FROM ({source}) SELECT {all_names}",
            f"CREATE TEMP VIEW {ALL_CHANGES} AS FROM {CHANGES} SELECT {', '.join(names)}",
            # https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview
            "SET enable_external_access = false",
            "SET lock_configuration = true",
            sql,
        ]
    )


def reason(message: str) -> str:
    """Return why a query failed, without the statements around it."""
    if _NO_FILES in message:
        return "it reads a file; here it can read only changes and all_changes, by these bare names"
    return message.partition("\n\nLINE")[0].partition("\nLINE")[0]


def _refuse_all_but_one_select(sql: str) -> None:
    # Not at the head: queries on AWS need no DuckDB.
    duckdb = optional("duckdb", "querying a local stack")
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise OperationError(f"the query failed: {reason(str(error))}") from None
    if [each.type for each in statements] != [duckdb.StatementType.SELECT]:
        raise OperationError("the local stack answers one SELECT (or WITH ... SELECT) at a time")


def _from_line(column: Column) -> str:
    value = f"""json_extract_string(line, '$."{column.key}"')"""
    return f"CAST({value} AS {column.type.replace('string', 'varchar')}) AS {column.name}"
