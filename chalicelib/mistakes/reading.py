"""The kinds of a declaration as far as they can be read, and what is wrong with the rest."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, get_args

import msgspec
from msgspec import NODEFAULT, UNSET, Struct, inspect

from chalicelib.declaration import ByAttribute, ByPrefix, Field, Key, KeyType, Kind, Table, Time
from chalicelib.types import field_type

LINE_NAME = re.compile(r'[^"\\\x00-\x1f]+')
"""A name that a line, and a key's attribute, may have."""


class ReadKind(NamedTuple):
    """The fields of a kind, as far as they can be read."""

    name: str
    """Of its Struct."""
    fields: Mapping[str, Field]
    declared: frozenset[str]
    """The names of all of its fields: what is wrong with those not in `fields` is reported."""
    optional: frozenset[str] = frozenset()
    """The names of those that an item may lack."""

    def of(self, name: str) -> Iterator[Field | None]:
        """Yield the field of this name, or None if there is none; nothing if it cannot be read."""
        if name in self.fields or name not in self.declared:
            yield self.fields.get(name)


_TUPLES: Mapping[str, tuple[type, str]] = {
    "key": (Key, '(Key("id"),)'),
    "kinds": (Kind, '(Kind("record", Record),)'),
    "times": (Time, '(Time("placedAt", "iso"),)'),
    "layout": (str, '("year", "month", "day")'),
    "examples": (Mapping, '({"id": "1"},)'),
}
"""The parts of a `Table` that are tuples: of what, with an example."""

_TEXTS: Mapping[type, tuple[str, ...]] = {
    Key: ("name",),
    Kind: ("name", "when"),
    ByAttribute: ("name",),
    ByPrefix: ("name",),
}


def wrong_parts(table: Table) -> Iterator[str]:
    """Yield which parts are not of the declaration's words: nothing else can be read then."""
    parts: list[Any] = [table.told_by]
    for name, (part, example) in _TUPLES.items():
        value = getattr(table, name)
        if isinstance(value, tuple) and all(isinstance(each, part) for each in value):
            parts += value
        else:
            yield f"{name} must be a tuple of {part.__name__}, such as {example}"
    if not isinstance(table.told_by, ByAttribute | ByPrefix | None):
        yield 'told_by must be ByAttribute("...") or ByPrefix("..."), or be left out'
    if not isinstance(table.protect, Mapping) or not all(isinstance(n, str) for n in table.protect):
        yield 'protect must be a mapping of names, such as {"email": "hash"}'
    for part in parts:
        values = {name: getattr(part, name) for name in _TEXTS.get(type(part), ())}
        if isinstance(part, Time):
            optional = {"field": part.field, "offset": part.offset}
            values = {name: "" if each is None else each for name, each in optional.items()}
        for name, value in values.items():
            if not isinstance(value, str):
                yield f"{name} of a {type(part).__name__} must be a text, not {value!r}"
        if isinstance(part, Kind) and not _is_struct(part.record):
            yield f"the record of kind {part.name!r} must be a class of msgspec.Struct"


def _is_struct(record: Any) -> bool:
    return isinstance(record, type) and issubclass(record, Struct)


def read_kinds(table: Table) -> tuple[list[ReadKind], list[str]]:
    """Return the kinds, and what is wrong with their fields. Without any, the key is the kind."""
    errors: list[str] = []
    kinds = []
    for record in (kind.record for kind in table.kinds):
        fields, wrong = _read_fields(record)
        names = record.__struct_encode_fields__
        defaults = zip(reversed(names), reversed(record.__struct_defaults__), strict=False)
        optional = frozenset(name for name, default in defaults if default is UNSET)
        kinds.append(ReadKind(record.__name__, fields, frozenset(names), optional))
        errors += wrong
    if not kinds:
        key = {each.name: each for each in table.key if _is_usable(each)}
        fields = {**Table(key=tuple(key.values())).shapes[0].fields}
        kinds.append(ReadKind("the key", fields, frozenset(each.name for each in table.key)))
    return kinds, errors


def _is_usable(key: Key) -> bool:
    return key.type in get_args(KeyType) and LINE_NAME.fullmatch(key.name) is not None


_REMEDY = (
    "; declare it as str, int, decimal.Decimal, bool or bytes, as a list, dict, set or Struct of "
    "these, or as typing.Any, which keeps every value exactly"
)


def _read_fields(record: type[Struct]) -> tuple[dict[str, Field], list[str]]:
    """Return the fields of a Struct that can be read, and what is wrong with the others."""
    errors = []
    if record.__struct_config__.tag is not None or record.__struct_config__.array_like:
        errors.append(
            f"{record.__name__} must be a Struct without tag and array_like; declare a tag as a "
            "field"
        )
    try:
        declared = msgspec.structs.fields(record)
    except Exception as error:
        return {}, [*errors, f"{record.__name__}: {error}; its types must be known in its file"]
    fields: dict[str, Field] = {}
    for each in declared:
        try:
            field = _read_field(each)
        except RecursionError:
            errors.append(
                f"{record.__name__}.{each.encode_name} contains its own type; declare what is "
                "within as typing.Any"
            )
        except Exception as error:
            reason = _one_line(error)
            remedy = "" if ";" in reason else _REMEDY
            errors.append(f"{record.__name__}.{each.encode_name}: {reason}{remedy}")
        else:
            fields[field.name] = field
    return fields, errors


def _read_field(declared: msgspec.structs.FieldInfo) -> Field:
    """Return a field. Raises what msgspec does, TypeError and ValueError with what is wrong."""
    alone = msgspec.defstruct("Alone", [("field", declared.type)])
    msgspec.json.Decoder(alone)
    info = inspect.type_info(alone)
    assert isinstance(info, inspect.StructType)  # noqa: S101
    read = field_type(info.fields[0].type)
    name = declared.encode_name
    line = name if read.line is None else read.line
    if not isinstance(line, str) or not LINE_NAME.fullmatch(line):
        raise ValueError(
            f"a line cannot have the name {line!r}; give one without quotes, backslashes and "
            'control characters in Meta(extra={"line": "..."})'
        )
    if not declared.required and declared.default is not UNSET:
        try:
            default = declared.default
            if default is NODEFAULT:
                default = declared.default_factory()
            msgspec.convert({"field": msgspec.to_builtins(default)}, alone)
        except Exception as error:
            reason = _one_line(error).partition(" - at ")[0]
            raise ValueError(f"its default breaks its own rules: {reason}; correct it") from None
    return Field(name, line, declared.name, read, declared.required)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
