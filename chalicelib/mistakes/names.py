"""The names of a declaration: which would be one name in a line, or one column of a table."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from chalicelib.catalog import partition_column, sql_name
from chalicelib.compacted import WIDENED, text_name
from chalicelib.declaration import EVENT_TIME, KIND, TIME_FORMATS, Level, Table
from chalicelib.lines import ChangeFields, line_member
from chalicelib.mistakes.reading import ReadKind
from chalicelib.types import field_types

NAME_LENGTH_MAX = 255
"""Bytes of the name of a key's attribute, and of a column
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html,
https://docs.aws.amazon.com/glue/latest/webapi/API_Column.html)."""

RENAME = 'give a field another name in the lake with Meta(extra={"line": "..."})'
"""The way out."""


def check_names(table: Table, kinds: Sequence[ReadKind]) -> Iterator[str]:
    """Yield which names would be one name in a line, or one column of a table."""
    reserved = _names_of_change(table, kinds)
    columns: dict[str, dict[str, str]] = defaultdict(dict)
    types: dict[str, dict[str, str]] = defaultdict(dict)
    for kind in kinds:
        lines: dict[str, str] = {}
        members: dict[str, str] = {}
        for field in kind.fields.values():
            place = f"{kind.name}.{field.name}"
            first = lines.setdefault(field.line, field.name)
            if field.line in reserved or first != field.name:
                yield f"{place}: a line has the name {field.line} already; {RENAME}"
                continue
            if (other := members.setdefault(line_member(field), field.name)) != field.name:
                yield f"{place}: rename it in Python, where a line has its name for {other}"
            if len(field.line.encode()) > NAME_LENGTH_MAX:
                yield f"{place}: a column has {NAME_LENGTH_MAX} bytes in its name; {RENAME}"
            columns[sql_name(field.line)].setdefault(field.line, place)
            column = "string" if field.name in table.protect else field.type.column
            if was := field.type.was:
                if problem := _no_text_before(table, field.name, was, column):
                    yield f"{place}: {problem}"
                    continue
                columns[text_name(sql_name(field.line))].setdefault(f"{field.line} as text", place)
                column += f" that was {was}"
            if was or field.name not in table.protect:
                types[field.line].setdefault(column, place)
    for name in reserved:
        columns[sql_name(name)].setdefault(name, f"{name} of the change")
    for name in _partition_columns(table, kinds):
        columns[name].setdefault("", f"the partition {name}")
    for column, places in columns.items():
        if len(places) > 1:
            yield (
                f"{' and '.join(places.values())} would be one column, {column}, since those have "
                f"only lower-case letters, digits and underscores; {RENAME}"
            )
    for line, by_type in types.items():
        if len(by_type) > 1:
            several = " and ".join(f"{column} as {place}" for column, place in by_type.items())
            yield f"the column of {line} would have several types, {several}; {RENAME}"


def _no_text_before(table: Table, name: str, was: object, column: str) -> str | None:
    """Return why a field cannot have been of a type before it became text; None if it can."""
    if was not in WIDENED:
        return f"a column was {' or '.join(WIDENED)} before it became text, not {was!r}"
    if column != "string":
        return f"its column is {column}, not text; take `was` out of its Meta"
    if name in {*(key.name for key in table.key), *(time.field for time in table.times)}:
        return "a key or a time keeps its type; take `was` out of its Meta"
    if name in table.layout:
        return "a level of the layout keeps its type; take `was` out of its Meta"
    return None


def _names_of_change(table: Table, kinds: Sequence[ReadKind]) -> set[str]:
    """Return the names of a line's own fields."""
    names = {*field_types(ChangeFields)} - {KIND, EVENT_TIME}
    if table.told_by:
        names.add(KIND)
    fields = [kind.fields.get(time.field or "") for kind in kinds for time in table.times]
    in_one_field = len(fields) == 1 and not table.told_by and table.times[0].unit == "ms"
    if not in_one_field or fields[0] is None or fields[0].type.column != "bigint":
        names.add(EVENT_TIME)
    return names


def _partition_columns(table: Table, kinds: Sequence[ReadKind]) -> Iterator[str]:
    """Yield the partitions of `changes`: the levels before the hour."""
    for name in ((KIND,) if table.told_by else ()) + table.layout:
        if name in ("hour", "minute"):
            return
        lines = (kind.fields[name].line for kind in kinds if name in kind.fields)
        is_field = name not in {*TIME_FORMATS, KIND}
        yield partition_column(Level(next(lines, name), name if is_field else None, 0))
