"""A proposal as the text of a Python file, with the shares of the sample as comments."""

import keyword
import re
from collections.abc import Iterator, Sequence

from chalicelib.declaration import CHANGED, ByPrefix, Time
from sluice.init.proposal import LAYOUT, FoundField, Proposal, shares
from sluice.wording import counted

WIDTH = 100

_WORDS = (
    *("Annotated", "Any", "Decimal", "Meta", "Struct", "UNSET", "UnsetType", "field", "Int64"),
    *("CHANGED", "ByAttribute", "ByPrefix", "Key", "Kind", "Table", "Time", "TABLE", "Item"),
    *("str", "int", "bytes", "bool", "list", "dict", "set"),
)
"""What the file itself uses, so that no field may hide it."""


def write_declaration(proposal: Proposal) -> str:
    """Return the file of a proposed declaration."""
    names: set[str] = {*_WORDS}
    classes = [_class_name(kind.name, names) for kind in proposal.kinds.kinds]
    is_shared = len(classes) > 1
    blocks = [[*_struct("Item", "Struct", "The key, which every kind has.", proposal.key_fields)]]
    bodies = zip(classes, proposal.kinds.kinds, proposal.fields, strict=True)
    for name, kind, fields in bodies:
        title = f"{counted(len(kind.items), 'item')} of the sample."
        if is_shared:
            blocks.append([*_struct(name, "Item", title, fields)])
        else:
            blocks = [[*_struct(name, "Struct", title, [*proposal.key_fields, *fields])]]
    text = "\n\n\n".join("\n".join(block) for block in [*blocks, [*_table(proposal, classes)]])
    return f"{_head(proposal, text)}\n\n{text}\n"


def _head(proposal: Proposal, text: str) -> str:
    """Return the file's docstring and the imports that its text needs."""
    count = counted(len(proposal.sample.items), "item")
    lines = [
        f'"""The table as `sluice init` read it in {count}: a proposal, to be corrected."""',
        "",
    ]
    sources = {
        "decimal": ("Decimal",),
        "typing": ("Annotated", "Any"),
        "msgspec": ("UNSET", "Meta", "Struct", "UnsetType", "field"),
        "chalicelib.declaration": (
            *("CHANGED", "ByAttribute", "ByPrefix", "Int64", "Key", "Kind", "Table", "Time"),
        ),
    }
    groups = (("decimal", "typing"), ("msgspec",), ("chalicelib.declaration",))
    code = re.sub(r'#.*|"(\\.|[^"\\])*"', "", text)
    for group in groups:
        imports = []
        for module in group:
            words = [word for word in sources[module] if re.search(rf"\b{word}\b(?!=)", code)]
            imports += [f"from {module} import {', '.join(words)}"] if words else []
        lines += [*imports, ""] if imports else []
    return "\n".join(lines)


def _struct(name: str, base: str, title: str, fields: Sequence[FoundField]) -> Iterator[str]:
    yield f"class {name}({base}, frozen=True, kw_only=True):"
    yield f'    """{title}"""'
    yield ""
    members = {*_WORDS}
    for each in fields:
        yield from _field(each, _member(each.attribute.name, members))


def _field(field: FoundField, member: str) -> Iterator[str]:
    attribute = field.attribute
    notes = [f"in {attribute.share:.0%}"] if attribute.share < 1 else []
    notes += [shares(attribute)] if len(attribute.types) > 1 else []
    if notes:
        yield f"    # {': '.join(notes)}"
    declared, nullable = field.type.removesuffix(" | None"), field.type.endswith(" | None")
    if field.line != attribute.name:
        declared = f'Annotated[{field.type}, Meta(extra={{"line": {_text(field.line)}}})]'
        nullable = False
    options = [] if member == attribute.name else [f"name={_text(attribute.name)}"]
    if attribute.share < 1:
        declared += " | UnsetType"
        options.append("default=UNSET")
    declared += " | None" if nullable else ""
    head = f"    {member}: {declared}"
    match options:
        case []:
            yield head
        case ["default=UNSET"]:
            yield f"{head} = UNSET"
        case _ if len(line := f"{head} = field({', '.join(options)})") <= WIDTH:
            yield line
        case _:
            yield from (f"{head} = field(", f"        {', '.join(options)}", "    )")


def _table(proposal: Proposal, classes: Sequence[str]) -> Iterator[str]:
    yield "TABLE = Table("
    keys = [
        f"Key({_text(key.name)})" if key.type == "S" else f'Key({_text(key.name)}, "{key.type}")'
        for key in proposal.key
    ]
    yield f"    key=({', '.join(keys)}{',' if len(keys) == 1 else ''}),"
    told_by = proposal.kinds.told_by
    if told_by is None:
        yield f'    kinds=(Kind("{proposal.kinds.kinds[0].name}", {classes[0]}),),'
    else:
        word = "ByPrefix" if isinstance(told_by, ByPrefix) else "ByAttribute"
        yield f"    told_by={word}({_text(told_by.name)}),"
        yield "    kinds=("
        for kind, name in zip(proposal.kinds.kinds, classes, strict=True):
            yield f'        Kind("{kind.name}", {name}, when={_text(kind.when)}),'
        yield "    ),"
    if len(proposal.times) > 1:
        yield "    # The first of these that an item has; CHANGED is the time of the change."
    times = [_time(time) for time in proposal.times]
    yield f"    times=({', '.join(times)}{',' if len(times) == 1 else ''}),"
    for level in proposal.levels[:10]:
        more = ", and more" if level.is_growing else ""
        yield f"    # {level.name} could be a level too: {level.values} values in the sample{more}."
    yield f"    layout=({', '.join(map(_text, LAYOUT))}),"
    yield ")"


def _time(time: Time) -> str:
    if time == CHANGED:
        return "CHANGED"
    offset = f", {_text(time.offset)}" if time.offset else ""
    return f'Time({_text(str(time.field))}, "{time.unit}"{offset})'


def _text(text: str) -> str:
    """Return a text as Python source, in double quotes."""
    escaped = "".join(
        f"\\{each}" if each in '"\\' else each if each.isprintable() else ascii(each)[1:-1]
        for each in text
    )
    return f'"{escaped}"'


def _class_name(kind: str, names: set[str]) -> str:
    name = "".join(word.capitalize() for word in kind.split("_") if word)
    name = f"{name}Record" if name in names else name
    names.add(name)
    return name


def _member(attribute: str, members: set[str]) -> str:
    """Return a Python name for an attribute: its own, where Python allows that."""
    name = re.sub(r"\W", "_", attribute, flags=re.ASCII).lstrip("_") or "field_"
    name = f"n{name}" if name[0].isdigit() else name
    while keyword.iskeyword(name) or name in members:
        name += "_"
    members.add(name)
    return name
