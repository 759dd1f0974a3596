"""The image of an item in a change: its kind, its fields, and what nobody declared."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from chalicelib import types
from chalicelib.declaration import OTHER, Protection, Table, Undeclared
from chalicelib.errors import ChangeError
from chalicelib.lines import LineType, line_types

Hasher = Callable[[bytes], str]
"""From the DynamoDB JSON of an attribute to the text that takes its place in the lake: 64
hexadecimal digits."""

_HASHED = re.compile(rb'\{"S":"[0-9a-f]{64}"\}')

_decode_attributes = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode
_encode_in_order = msgspec.json.Encoder(order="sorted").encode


def image_reader(
    table: Table, hasher: Hasher | None = None, *, is_protected: bool = False
) -> Callable[[Raw], Any]:
    """Return a function from an image to a line with the record's fields, None for one to drop.

    What the table protects is left out or hashed first. If `is_protected` says that it was before,
    an image that has it is refused. The function raises ChangeError, ValueError, and what msgspec
    raises.
    """
    protect = None
    if table.protect:
        protect = _refuser(table.protect) if is_protected else _protector(table.protect, hasher)
    readers = {line.shape.kind: _kind_reader(line) for line in line_types(table)}
    if table.told_by is None:
        (read_only_kind,) = readers.values()
        read = read_only_kind
    else:
        kind_of = _kind_decoder(table, table.told_by.name)

        def read(image: Raw) -> Any:
            return readers[kind_of(image)](image)

    if protect is None:
        return read
    return lambda image: read(protect(image))


def _kind_decoder(table: Table, told_by: str) -> Callable[[Raw], str]:
    """Return a function from an image to the kind of its record, by an attribute of this name.

    Nothing else of the image is decoded.
    """
    fields: list[Any] = [("attribute", dict[str, Any], {})]
    one_attribute: Any = msgspec.defstruct("OneAttribute", fields, rename={"attribute": told_by})
    decode = msgspec.json.Decoder(one_attribute).decode

    def kind_of(image: Raw) -> str:
        try:
            return table.kind_told_by(decode(image).attribute)
        except msgspec.ValidationError:
            return OTHER

    return kind_of


def _protector(protect: Mapping[str, Protection], hasher: Hasher | None) -> Callable[[Raw], Raw]:
    """Return a function from an image to one without what the lake must not hold."""
    if hasher is None and "hash" in protect.values():
        raise TypeError("the table has fields to hash, and there is no key to hash them with")

    def protected(image: Raw) -> Raw:
        try:
            attributes = _decode_attributes(image)
        except msgspec.ValidationError:
            return image
        for name, protection in protect.items():
            raw = attributes.pop(name, None)
            if raw is not None and protection == "hash" and hasher is not None:
                # Other spellings of the same value have the same hash.
                same = _encode_in_order(msgspec.json.decode(raw))
                attributes[name] = Raw(_encode({"S": hasher(same)}))
        return Raw(_encode(attributes))

    return protected


def _refuser(protect: Mapping[str, Protection]) -> Callable[[Raw], Raw]:
    """Return a function that refuses an image from before its attributes were protected."""

    def refused(image: Raw) -> Raw:
        attributes = _decode_attributes(image)
        for name, protection in protect.items():
            raw = attributes.get(name)
            if raw is not None and not (protection == "hash" and _HASHED.fullmatch(raw)):
                raise ChangeError(f"{name} is protected now, and was not in this line")
        return image

    return refused


def _kind_reader(line: LineType) -> Callable[[Raw], Any]:
    """Return a function from an image of a kind to its line, None for one to drop."""
    new_line: Callable[..., Any] = line.type
    shape = line.shape
    declared = {field.name: field.type for field in line.fields}
    decode_image = msgspec.json.Decoder(types.attributes_type(declared)).decode
    read_declared = types.attributes_reader(declared)
    read_mixed = mixed_image_reader(declared, shape.undeclared if shape.is_declared else "keep")
    kind = shape.kind
    others = shape.undeclared if not shape.is_declared else "keep"

    def read(image: Raw) -> Any:
        extra: str | UnsetType = UNSET
        values: Sequence[Any]
        try:
            values = read_declared(decode_image(image))
        except msgspec.ValidationError:
            values, extra = read_mixed(image)
        # Assigned one by one, since msgspec takes keywords at twice the cost.
        new = new_line(*values)
        new.extra = extra
        if kind:
            new.kind = kind
        return new

    def refuse(_image: Raw) -> Any:
        raise ChangeError("is of no kind that the schema declares")

    if others == "quarantine":
        return refuse
    return read if others == "keep" else lambda _image: None


def mixed_image_reader(
    declared: Mapping[str, types.FieldType], undeclared: Undeclared
) -> Callable[[Raw], tuple[Sequence[Any], str | UnsetType]]:
    """Return a function that reads an image with undeclared attributes, or with NULL for a value.

    It returns the declared fields' values in order, UNSET where absent, and the undeclared
    attributes as JSON, UNSET without any. It raises ChangeError.
    """
    fields = []
    for name, each in declared.items():
        value_or_null = types.nullable(each)
        decode = msgspec.json.Decoder(value_or_null.wire).decode
        fields.append((name, decode, value_or_null.read))

    def read(image: Raw) -> tuple[Sequence[Any], str | UnsetType]:
        try:
            attributes = _decode_attributes(image)
        except msgspec.ValidationError:
            raise ChangeError("its image is missing; the stream must carry both") from None
        values: list[Any] = []
        for name, decode, value in fields:
            raw = attributes.pop(name, UNSET)
            try:
                values.append(raw if raw is UNSET else value(decode(raw)))
            except msgspec.ValidationError:
                # Its own words may quote the names within a map, which are data.
                raise ChangeError(f"{name} is not of the type that the schema declares") from None
            except ValueError as broken:
                raise ChangeError(f"{name} {broken}") from None
        if attributes and undeclared == "quarantine":
            raise ChangeError("has attributes that the schema does not declare")
        extra = _encode(attributes).decode() if attributes and undeclared == "keep" else UNSET
        return values, extra

    return read
