"""What a sample says of an attribute: its types, how often it is there, if it is a time."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from chalicelib.attributes import number
from chalicelib.declaration import Time
from chalicelib.times import PLAUSIBLE_MS, epoch_ms
from sluice.items import Item

AGREE = 0.98
"""The part of an attribute's values that must look like a time, for it to be taken for one."""

_TIME_NAME = re.compile(
    r"time|date|epoch|creat|updat|chang|modif|stamp|when|(^|[_-])(ts|at)$|At$|^ts", re.ASCII
)
_EXPIRY_NAME = re.compile(r"ttl|expir|delet", re.IGNORECASE)
_UPDATE_NAME = re.compile(r"updat|chang|modif", re.IGNORECASE)


class Attribute(NamedTuple):
    """An attribute in the items of one kind."""

    name: str
    values: Sequence[dict[str, Any]]
    items: int
    """The number of items of the kind."""

    @property
    def share(self) -> float:
        """The part of the items that have it."""
        return len(self.values) / self.items

    @property
    def types(self) -> Counter[str]:
        """How many values there are of each of DynamoDB's types."""
        return Counter(kind for value in self.values for kind in value)

    @property
    def distinct(self) -> int:
        """The number of different values."""
        return len({repr(value) for value in self.values})

    def text_values(self) -> list[str]:
        """Return the values, where all are texts."""
        return [value["S"] for value in self.values] if self.types.keys() == {"S"} else []


def attributes(items: Sequence[Item]) -> dict[str, Attribute]:
    """Return the attributes of items, the most frequent first."""
    counts = Counter(name for item in items for name in item)
    return {
        name: Attribute(name, [item[name] for item in items if name in item], len(items))
        for name, _ in counts.most_common()
    }


def python_type(values: Iterable[dict[str, Any]]) -> str:
    """Return the type, as Python source, that holds all values exactly."""
    by_type: dict[str, list[Any]] = {}
    for value in values:
        for kind, content in value.items():
            by_type.setdefault(kind, []).append(content)
    is_nullable = by_type.pop("NULL", None) is not None
    if len(by_type) != 1:
        return "Any"
    ((kind, contents),) = by_type.items()
    source = _source(kind, contents)
    return f"{source} | None" if is_nullable else source


def _source(kind: str, contents: list[Any]) -> str:
    match kind:
        case "N":
            return "Int64" if all(map(_is_whole, contents)) else "Decimal"
        case "L":
            return f"list[{python_type(each for content in contents for each in content)}]"
        case "M":
            members = python_type(each for content in contents for each in content.values())
            return f"dict[str, {members}]"
    return {"S": "str", "B": "bytes", "BOOL": "bool", "SS": "set[str]", "NS": "set[Decimal]"}.get(
        kind, "set[bytes]"
    )


def _is_whole(text: str) -> bool:
    value = number(text)
    return isinstance(value, int) and -(2**63) <= value < 2**63


def event_time(attribute: Attribute) -> Time | None:
    """Return how an attribute gives an event time, if its values look like one."""
    if _EXPIRY_NAME.search(attribute.name) or len(attribute.types) != 1:
        return None
    (kind,) = attribute.types
    candidates = [Time(attribute.name, unit) for unit in ("ms", "us")] if kind == "N" else []
    # A count of the size of a time in seconds is as likely as a time.
    if kind == "N" and _TIME_NAME.search(attribute.name):
        candidates.append(Time(attribute.name, "s"))
    if kind == "S":
        candidates = [Time(attribute.name, "iso"), Time(attribute.name, "iso", "Z")]
    values = [content for value in attribute.values for content in value.values()]
    for time in candidates:
        if sum(_is_plausible(time, value) for value in values) >= AGREE * len(values):
            return time
    return None


def _is_plausible(time: Time, value: str) -> bool:
    first, end = PLAUSIBLE_MS
    try:
        return first <= epoch_ms(time, value) < end
    except ValueError:
        return False


def is_of_updates(name: str) -> bool:
    """Whether a time is, by its name, that of the last change and not that of the creation."""
    return _UPDATE_NAME.search(name) is not None
