"""Record format conversion: lines of JSON into Parquet, by the columns of a Glue table.

https://docs.aws.amazon.com/firehose/latest/dev/record-format-conversion.html. As there, a key that
no column names is left out and a column whose key is absent is null. Not as there: a record holds
one object, and a number that does not fit its column exactly is refused, never rounded.
"""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any

import msgspec
import pyarrow as arrow
from msgspec import Raw
from pyarrow import parquet

from chalicelib.errors import SluiceError
from local.firehose.errors import CatalogTable, ConversionFailure

ColumnTypes = Callable[[str, str], Mapping[str, str]]
"""The columns of a Glue table, by database and table: name to type, in order. Raises LookupError
when the table does not exist."""

ReadValue = Callable[[Raw], Any]
"""From a value's JSON to the value. Raises ValueError or ArithmeticError for any other type."""


class ColumnTypeError(SluiceError):
    """A type of column that is not converted here."""


@dataclass(frozen=True, slots=True)
class ConvertedColumn:
    """A column, the key of its values, and what they are."""

    name: str
    key: str
    kind: str
    """The type, as Glue spells it."""
    arrow_type: Any
    read: ReadValue


@dataclass(frozen=True, slots=True)
class Conversion:
    """The target of a stream's conversion: a table with its columns."""

    table: CatalogTable
    columns: tuple[ConvertedColumn, ...]


def read(
    configuration: Mapping[str, Any], column_types: ColumnTypes, reasons: list[str]
) -> Conversion | None:
    """Read a DataFormatConversionConfiguration, with the columns that its table has now.

    Whatever is not supported here is added to the reasons.
    """
    parsers = configuration.get("InputFormatConfiguration", {}).get("Deserializer", {})
    writers = configuration.get("OutputFormatConfiguration", {}).get("Serializer", {})
    parser = parsers.get("OpenXJsonSerDe")
    if parser is None or parser.get("CaseInsensitive", True):
        reasons.append("the deserializer must be OpenXJsonSerDe with CaseInsensitive false")
    elif parser.get("ConvertDotsInJsonKeysToUnderscores"):
        reasons.append("ConvertDotsInJsonKeysToUnderscores is set; it is not known here")
    if writers.get("ParquetSerDe", {}).get("Compression", "SNAPPY") != "SNAPPY":
        reasons.append("ParquetSerDe must have the Compression SNAPPY")
    if "ParquetSerDe" not in writers:
        reasons.append("the serializer must be ParquetSerDe; only Parquet is written here")
    schema = configuration.get("SchemaConfiguration", {})
    table = CatalogTable(
        catalog_id=schema.get("CatalogId", ""),
        database_name=schema.get("DatabaseName", ""),
        table_name=schema.get("TableName", ""),
        region=schema.get("Region", ""),
        version_id=schema.get("VersionId", "LATEST"),
    )
    try:
        types = column_types(table.database_name, table.table_name)
        keys = (parser or {}).get("ColumnToJsonKeyMappings", {})
        columns = tuple(column(name, keys.get(name, name), kind) for name, kind in types.items())
    except (LookupError, ColumnTypeError) as error:
        reasons.append(f"table {table.database_name}.{table.table_name}: {error}")
        return None
    return Conversion(table, columns)


def column(name: str, key: str, kind: str) -> ConvertedColumn:
    """A column of a Glue type. Raises ColumnTypeError for one that is not converted here."""
    if kind in _SCALARS:
        return ConvertedColumn(name, key, kind, *_SCALARS[kind])
    if sizes := re.fullmatch(r"decimal\((\d+), ?(\d+)\)", kind):
        digits, places = int(sizes[1]), int(sizes[2])
        decimals = arrow.decimal128(digits, places)
        return ConvertedColumn(name, key, kind, decimals, _decimal(digits, places))
    raise ColumnTypeError(
        f"column {name} is {kind}; string, boolean, int, bigint and decimal(p,s) are known here"
    )


class Parquet:
    """Rows of a table's columns, compressed with Snappy."""

    extension = ".parquet"
    headers: Mapping[str, str] = {"ContentType": "application/octet-stream"}

    def __init__(self, conversion: Conversion) -> None:
        self._table = conversion.table
        self._columns = conversion.columns
        self._schema = arrow.schema([(each.name, each.arrow_type) for each in self._columns])

    def refusal(self, data: bytes) -> ConversionFailure | None:
        """Return why a record's data is not a row of these columns, if so; never a value of it."""
        try:
            self._row(data)
        except msgspec.ValidationError:
            return self._failure(MALFORMED, "The record is not one JSON object.")
        except ColumnMismatchError as mismatch:
            return self._failure(MALFORMED, f"Data does not match the schema: {mismatch}.")
        except (ValueError, RecursionError):
            return self._failure(PARSE_ERROR, "Encountered malformed JSON.")
        return None

    def body(self, pieces: Sequence[bytes]) -> bytes:
        """The object of the records' data, a row for each."""
        values = zip(*map(self._row, pieces), strict=True)
        table = arrow.table(
            [
                arrow.array(each, column.arrow_type)
                for each, column in zip(values, self._columns, strict=True)
            ],
            schema=self._schema,
        )
        sink = io.BytesIO()
        parquet.write_table(table, sink, compression="snappy")
        return sink.getvalue()

    def _failure(self, code: str, message: str) -> ConversionFailure:
        return ConversionFailure(code, message, self._table)

    def _row(self, data: bytes) -> list[Any]:
        values = _read_object(data)
        row = []
        for column in self._columns:
            raw = values.get(column.key, _NULL)
            try:
                row.append(None if raw == _NULL else column.read(raw))
            except (ValueError, ArithmeticError):
                raise ColumnMismatchError(f"{column.key} is not of type {column.kind}") from None
        return row


class ColumnMismatchError(SluiceError):
    """A value that its column cannot hold; the message names both, and not the value."""


MALFORMED = "DataFormatConversion.MalformedData"
PARSE_ERROR = "DataFormatConversion.ParseError"

_NULL = Raw(b"null")
_read_object = msgspec.json.Decoder(dict[str, Raw]).decode
_read_string = msgspec.json.Decoder(str).decode
_read_number = msgspec.json.Decoder(Decimal).decode


def _text(raw: Raw) -> str:
    """A string; of any other value its JSON text, to the digit."""
    text = bytes(raw)
    return _read_string(raw) if text.startswith(b'"') else text.decode()


def _whole(bits: int) -> ReadValue:
    bound = 2 ** (bits - 1)

    def whole(raw: Raw) -> int:
        # A text of digits is a number too, as OpenX's SerDe takes it.
        value = _read_number(raw)
        if not (value.is_finite() and -bound <= value < bound and value == int(value)):
            raise ValueError
        return int(value)

    return whole


def _decimal(precision: int, scale: int) -> ReadValue:
    context = Context(prec=precision, traps=[Inexact, InvalidOperation])
    places = Decimal((0, (1,), -scale))

    def decimal(raw: Raw) -> Decimal:
        value = _read_number(raw)
        if not value.is_finite():
            raise ValueError
        return value.quantize(places, context=context)

    return decimal


_SCALARS: Mapping[str, tuple[Any, ReadValue]] = {
    "string": (arrow.string(), _text),
    "boolean": (arrow.bool_(), msgspec.json.Decoder(bool).decode),
    "int": (arrow.int32(), _whole(32)),
    "bigint": (arrow.int64(), _whole(64)),
}
