"""The fingerprint of a declaration: equal where two declarations read and write the same lake.

Comments, descriptions, examples, names of Python, the file and the layout are not part of it.
"""

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, inspect

if TYPE_CHECKING:
    from chalicelib.declaration import Table

LENGTH = 16
"""Hexadecimal digits of a fingerprint."""


def fingerprint(table: "Table") -> str:
    """Return the fingerprint of a declaration."""
    content = [
        table.key,
        [(kind.name, kind.when, kind.undeclared, _fields(kind.record)) for kind in table.kinds],
        table.told_by and (type(table.told_by).__name__, table.told_by.name),
        table.others,
        table.times,
        sorted(table.protect.items()),
    ]
    return sha256(msgspec.json.encode(content)).hexdigest()[:LENGTH]


def _fields(record: type[Struct]) -> Any:
    return _described(inspect.type_info(record))


def _described(part: Any) -> Any:
    """Return a type, or what it is made of, as plain values that do not name Python's objects."""
    match part:
        case inspect.Metadata(type=inner):
            return [_described(inner), part.extra] if part.extra else _described(inner)
        case inspect.StructType(fields=fields):
            return [(each.encode_name, each.required, _described(each.type)) for each in fields]
        case inspect.UnionType(types=types):
            return sorted((_described(each) for each in types), key=msgspec.json.encode)
        case inspect.Type():
            rules = {name: getattr(part, name) for name in part.__struct_fields__}
            content = {name: _described(rule) for name, rule in rules.items() if rule is not None}
            return [type(part).__name__, content]
        case tuple():
            return [_described(each) for each in part]
    return part
