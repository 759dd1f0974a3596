"""The table's state according to the lake, by the rule of docs/lake.md."""

from collections.abc import Iterable

from chalicelib.schema import KEY
from sluice.items import Line


def latest(lines: Iterable[Line]) -> dict[str, Line]:
    """Return the line with the latest state of each item, by key; deleted items have none.

    Lines may come in any order and any number of times.
    """
    newest: dict[str, Line] = {}
    for line in lines:
        known = newest.get(line[KEY])
        if known is None or line["changeSequence"] > known["changeSequence"]:
            newest[line[KEY]] = line
    return {key: line for key, line in newest.items() if line["changeType"] != "REMOVE"}
