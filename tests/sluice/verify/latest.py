"""The table's state according to the lake, by the rule of docs/lake.md."""

from collections.abc import Iterable

from chalicelib.declaration import Table
from sluice.items import Line


def latest(table: Table, lines: Iterable[Line]) -> list[Line]:
    """Return the line with the latest state of each item; deleted items have none.

    Lines may come in any order and any number of times.
    """
    names = [field.line for field in table.key_fields]
    newest: dict[tuple[object, ...], Line] = {}
    for line in lines:
        key = tuple(line[name] for name in names)
        known = newest.get(key)
        if known is None or line["changeSequence"] > known["changeSequence"]:
            newest[key] = line
    return [line for line in newest.values() if line["changeType"] != "REMOVE"]
