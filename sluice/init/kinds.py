"""The kinds of a sample's items, and what distinguishes them."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from chalicelib.declaration import OTHER, ByAttribute, ByPrefix
from sluice.init.attributes import Attribute
from sluice.items import Item

KINDS_MAX = 20
"""More values than this do not distinguish kinds."""

KIND_ITEMS_MIN = 3
"""Items of a kind, on average: fewer of a small sample say nothing."""

GAIN, NAMED_GAIN = 0.1, 0.02
"""By how much fewer fields must be absent within kinds than in all items; and for an attribute
whose name says that it is for kinds."""

_TYPE_NAMES = ("edbe", "typename", "type", "kind", "entity", "entitytype", "itemtype", "et")
"""Names of attributes that are for kinds, without underscores: ElectroDB's `__edb_e__`,
dynamodb-toolbox's `_et`, Amplify's `__typename`."""
_PREFIX = re.compile(r"[^#|:/]+[#|:/]|[A-Z][A-Z_]+")
"""What an item's kind begins with: all up to the first separator, or a word in capitals."""


class FoundKind(NamedTuple):
    """Items of one kind."""

    name: str
    when: str
    items: Sequence[Item]


class Kinds(NamedTuple):
    """The kinds, and what distinguishes them; None where there is one."""

    told_by: ByAttribute | ByPrefix | None
    kinds: Sequence[FoundKind]
    left_over: int = 0
    """Items of no kind."""


def find_kinds(
    items: Sequence[Item], attributes: dict[str, Attribute], key_names: Sequence[str]
) -> Kinds:
    """Return the kinds that divide the items best: within them, fewest fields are absent."""
    whole = _absent([items])
    candidates = []
    for kinds, is_named in _candidates(items, attributes, key_names):
        absent = _absent([kind.items for kind in kinds.kinds])
        if absent <= whole - (NAMED_GAIN if is_named else GAIN):
            candidates.append((round(absent, 2), not is_named, len(kinds.kinds), kinds))
    if not candidates:
        return Kinds(None, [FoundKind("record", "", items)])
    return min(candidates, key=lambda each: each[:-1])[-1]


def _candidates(
    items: Sequence[Item], attributes: dict[str, Attribute], key_names: Sequence[str]
) -> Iterator[tuple[Kinds, bool]]:
    """Yield ways to divide the items, and whether a name says that they are of kinds."""
    for name, attribute in attributes.items():
        if not attribute.text_values() or attribute.share < 1 - GAIN:
            continue
        if name in key_names:
            candidate = Kinds(ByPrefix(name), *_divided(items, name, _prefix, str.startswith))
        else:
            candidate = Kinds(ByAttribute(name), *_divided(items, name, str, str.__eq__))
        if 2 <= len(candidate.kinds) <= min(KINDS_MAX, len(items) // KIND_ITEMS_MIN):
            yield candidate, name.lower().replace("_", "") in _TYPE_NAMES


def _prefix(text: str) -> str:
    prefix = _PREFIX.match(text)
    return prefix[0] if prefix else text


def _divided(
    items: Sequence[Item],
    name: str,
    start: Callable[[str], str],
    is_of: Callable[[str, str], bool],
) -> tuple[list[FoundKind], int]:
    """Return the items by what the attribute has, and how many lack it."""
    groups: dict[str, list[Item]] = defaultdict(list)
    texts = [(item.get(name, {}).get("S"), item) for item in items]
    starts = {start(text) for text, _ in texts if text}
    if len(starts) > 2 * KINDS_MAX:
        return [], 0
    whens: list[str] = []
    for when in sorted(starts, key=len):
        if not any(is_of(when, shorter) for shorter in whens):
            whens.append(when)
    for text, item in texts:
        for when in whens:
            if text and is_of(text, when):
                groups[when].append(item)
    names: set[str] = set()
    kinds = [FoundKind(_kind_name(when, names), when, of) for when, of in groups.items()]
    return kinds, len(items) - sum(len(kind.items) for kind in kinds)


def _kind_name(when: str, names: set[str]) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", when)
    name = re.sub("[^a-z0-9]+", "_", words.lower()).strip("_")[:40]
    if not re.match("[a-z]", name):
        name = f"kind_{name}".rstrip("_")
    while name in names or name == OTHER:
        name += "_2"
    names.add(name)
    return name


def _absent(groups: Sequence[Sequence[Item]]) -> float:
    """Return the part of the fields that items lack of those that their group has."""
    cells = present = 0
    for group in groups:
        cells += len(group) * len({name for item in group for name in item})
        present += sum(map(len, group))
    return 1 - present / cells
