"""Whose change a line is, or a record that was put into Firehose: its key, and its place in time.

The lake's lines are read, the changes of the stream, and those that are neither but still quote
the key, as something that was cut off does.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from decimal import Context, Decimal
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from chalicelib.change import SEQUENCE_DIGITS
from chalicelib.declaration import Field, Table
from chalicelib.exact import read_value
from chalicelib.keys import Texts, texts_of
from chalicelib.types import line_value

_UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)
"""What reading raises of bytes that are not a change of the table; msgspec's errors among them."""


class KeyChange(NamedTuple):
    """A change of a key."""

    key: Texts
    kind: str = ""
    """INSERT, MODIFY, REMOVE or SNAPSHOT; empty for what quotes the key and cannot be read."""
    changed_at: int = 0
    """Epoch milliseconds."""
    sequence: str = ""


class _Images(Struct):
    Keys: Raw | UnsetType = UNSET
    NewImage: Raw | UnsetType = UNSET
    OldImage: Raw | UnsetType = UNSET
    SequenceNumber: Any = ""
    ApproximateCreationDateTime: Any = 0


class _StreamChange(Struct):
    dynamodb: _Images
    eventName: Any = ""


_read_stream_change = msgspec.json.Decoder(_StreamChange).decode
_read_image = msgspec.json.Decoder(dict[str, Raw]).decode
_read_attribute = msgspec.json.Decoder(dict[str, Any]).decode


def change_of(table: Table) -> Callable[[bytes], KeyChange | None]:
    """Return a function from a line of the lake, or a change of the stream, to whose change it is.

    It returns None for what is neither.
    """
    members = {f"key_{index}": field for index, field in enumerate(table.key_fields)}
    line = msgspec.defstruct(
        "Line",
        [(member, _member_type(field)) for member, field in members.items()]
        + [(name, Any) for name in ("changeType", "changeSequence", "changedAt")],
        rename={member: field.line for member, field in members.items()},
        gc=False,
    )
    decode = msgspec.json.Decoder(line).decode
    read_key = key_reader(table)
    are_texts = all(map(is_text, table.key_fields))

    def of_line(data: bytes) -> KeyChange:
        *values, kind, sequence, changed_at = msgspec.structs.astuple(decode(data))
        if not are_texts:
            values = [value if isinstance(value, str) else read_value(value) for value in values]
        return KeyChange(read_key(values), str(kind), int(changed_at), str(sequence))

    def of_stream(data: bytes) -> KeyChange:
        change = _read_stream_change(data)
        images = change.dynamodb
        return KeyChange(
            _key_of_images(table, (images.Keys, images.NewImage, images.OldImage)),
            str(change.eventName),
            round(float(images.ApproximateCreationDateTime or 0) * 1000),
            str(images.SequenceNumber).zfill(SEQUENCE_DIGITS),
        )

    def read(data: bytes) -> KeyChange | None:
        for reader in (of_line, of_stream):
            try:
                return reader(data)
            except _UNREADABLE:
                continue
        return None

    return read


def records_of(payload: bytes) -> list[bytes]:
    """Return what was put as one record: a JSON document, or lines that the feed packed."""
    try:
        msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return payload.split(b"\n")
    return [payload]


def key_reader(table: Table) -> Callable[[Sequence[Any]], Texts]:
    """Return a function from the values of a key in a line to its texts."""
    if all(map(is_text, table.key_fields)):
        return tuple
    fields = table.key_fields

    def read(values: Sequence[Any]) -> Texts:
        attributes = {
            field.name: field.type.attribute(line_value(field.type, value))
            for field, value in zip(fields, values, strict=True)
        }
        return texts_of(table, attributes)

    return read


def is_text(field: Field) -> bool:
    """Whether lines have a field as the text that it is."""
    return field.type.kinds == ("S",) and not field.type.is_mixed


def _member_type(field: Field) -> Any:
    return str if is_text(field) else Raw


def _key_of_images(table: Table, images: Collection[Raw | UnsetType]) -> Texts:
    """Return the key that the first of these has. Raises LookupError when none has it."""
    for image in images:
        try:
            attributes = _read_image(image)  # type: ignore[arg-type]
            return texts_of(
                table, {name: _read_attribute(attributes[name]) for name in table.key_names}
            )
        except _UNREADABLE:
            continue
    raise LookupError


class Keys:
    """The keys to erase, and what holds a change of one of them."""

    def __init__(self, table: Table, keys: Collection[Texts]) -> None:
        self.table = table
        self.texts = tuple(sorted(set(keys)))
        self._set = frozenset(self.texts)
        self._read = change_of(table)
        kinds = [key.type for key in table.key]
        self._quoted = {key: _patterns(key, kinds, in_quotes=True) for key in self.texts}
        self._bare = {key: _patterns(key, kinds, in_quotes=False) for key in self.texts}

    def __contains__(self, key: Texts) -> bool:
        return key in self._set

    def __len__(self) -> int:
        return len(self.texts)

    def change(self, data: bytes) -> KeyChange | None:
        """Return the change of one of the keys that data is, or quotes; None for anything else."""
        change = self._read(data)
        if change is None:
            return next(self.quoted(data), None)
        return change if change.key in self._set else None

    def quoted(self, data: bytes) -> Iterator[KeyChange]:
        """Yield the keys that data has as values of JSON or as numbers."""
        return _matching(self._quoted, data)

    def mentioned(self, data: bytes) -> Iterator[KeyChange]:
        """Yield the keys whose text data has anywhere."""
        return _matching(self._bare, data)


_Patterns = list[re.Pattern[bytes]]


def _matching(patterns: dict[Texts, _Patterns], data: bytes) -> Iterator[KeyChange]:
    for key, parts in patterns.items():
        if all(part.search(data) for part in parts):
            yield KeyChange(key)


def _patterns(key: Texts, kinds: Sequence[str], *, in_quotes: bool) -> _Patterns:
    """Return a pattern for each part of a key, as JSON and CSV spell it."""
    patterns = []
    for text, kind in zip(key, kinds, strict=True):
        spelled = {json.dumps(text), json.dumps(text, ensure_ascii=False)}
        if kind == "N":
            spellings = rf"(?<![\w.])(?:{'|'.join(_numbers(text))})(?![\w.])"
        elif in_quotes:
            spellings = "|".join(map(re.escape, spelled))
        else:
            bare = {text, text.replace('"', '""'), *(each[1:-1] for each in spelled)}
            spellings = "|".join(map(re.escape, bare))
        patterns.append(re.compile(spellings.encode()))
    return patterns


def _numbers(text: str) -> Iterator[str]:
    """Yield patterns of the ways to write a number, with and without an exponent."""
    exact = Decimal(text).normalize(Context(prec=40))
    digits = f"{exact:f}"
    yield re.escape(digits) + ("0*" if "." in digits else r"(?:\.0+)?")
    yield f"(?i:{re.escape(f'{exact:E}')})"
