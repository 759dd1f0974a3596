"""The table's state as the lake tells it: the rule of docs/lake.md."""

from collections.abc import Iterable

from chalicelib.schema import KEY
from sluice.items import Line


def latest(lines: Iterable[Line]) -> dict[str, Line]:
    """The line that shows each key's item as it is now, by key; deleted keys are not in it.

    Lines may come in any order and any number of times.
    """
    newest: dict[str, Line] = {}
    for line in lines:
        known = newest.get(line[KEY])
        if known is None or line["changeSequence"] > known["changeSequence"]:
            newest[line[KEY]] = line
    return {key: line for key, line in newest.items() if line["changeType"] != "REMOVE"}
