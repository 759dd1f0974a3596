"""DynamoDB attribute values: from Python values, and to values that JSON can carry.

Numbers never pass through a float.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Struct

from chalicelib.limits import KEY_BYTES_MAX

EXPONENT_MAX = 130
"""No DynamoDB number has a larger decimal exponent
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html)."""

NUMBER_RULE = "at most 38 digits and a decimal exponent from -130 to 125"
"""The bounds of a number that DynamoDB stores (the same page)."""


T = TypeVar("T")

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,37})", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9]{1,200}(\.[0-9]{1,200})?([eE][+-]?[0-9]{1,3})?", re.ASCII)


def attribute(value: Any) -> dict[str, Any]:
    """Return the attribute value of a Python value, as boto3's low-level client takes it.

    Raises TypeError for a value that DynamoDB cannot hold exactly (a float, an empty set).
    """
    match value:
        case str():
            return {"S": value}
        case bool():
            return {"BOOL": value}
        case int() | Decimal():
            return {"N": str(value)}
        case bytes():
            return {"B": value}
        case None:
            return {"NULL": True}
        case list() | tuple():
            return {"L": [attribute(element) for element in value]}
        case dict():
            return {"M": {name: attribute(element) for name, element in value.items()}}
        case Struct():
            return {"M": item(value)}
        case set() | frozenset() if value:
            kinds = [attribute(element) for element in value]
            kind = next(iter(kinds[0]))
            if kind in {"S", "N", "B"} and all(kind in element for element in kinds):
                return {f"{kind}S": sorted(element[kind] for element in kinds)}
    raise TypeError(f"DynamoDB has no attribute type for a {type(value).__name__}")


def item(record: Struct | Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the DynamoDB item of a record; absent fields stay absent."""
    values: Iterable[tuple[str, Any]] = (
        zip(record.__struct_encode_fields__, msgspec.structs.astuple(record), strict=True)
        if isinstance(record, Struct)
        else record.items()
    )
    return {name: attribute(value) for name, value in values if value is not UNSET}


def number(text: str) -> int | Decimal:
    """Return a DynamoDB number, exact. Raises ValueError for text that is not a number."""
    if _WHOLE.fullmatch(text):
        return int(text)
    if not _NUMBER.fullmatch(text) or abs((value := Decimal(text)).adjusted()) > EXPONENT_MAX:
        raise ValueError("is not a number that DynamoDB can hold")
    return value


def is_storable(value: int | Decimal) -> bool:
    """Whether a number keeps NUMBER_RULE, in the digits that `item` writes."""
    _, digits, exponent = (exact := Decimal(value)).as_tuple()
    return isinstance(exponent, int) and len(digits) <= 38 and -130 <= exact.adjusted() <= 125


def is_key(text: str, limit: int = KEY_BYTES_MAX) -> bool:
    """Whether a table's string key may have this text: `limit` bytes at most."""
    return 1 <= len(text.encode()) <= limit


def _binary(value: bytes | str) -> str:
    return value if isinstance(value, str) else b64encode(value).decode()


_PLAIN: dict[str, Callable[[Any], Any]] = {
    "S": str,
    "N": number,
    "B": _binary,
    "BOOL": bool,
    "NULL": lambda _: None,
    "L": list,
    "M": dict,
    "SS": sorted,
    "NS": lambda texts: sorted(map(number, texts)),
    "BS": lambda values: sorted(map(_binary, values)),
}


def fold(attribute_value: Mapping[str, Any], convert: Callable[[str, Any], T]) -> T:
    """Return what `convert` makes of an attribute value's type and content.

    The elements of a list or map are converted before it, at any depth.
    """
    ((kind, content),) = attribute_value.items()
    if kind == "L":
        content = [fold(element, convert) for element in content]
    elif kind == "M":
        content = {name: fold(element, convert) for name, element in content.items()}
    return convert(kind, content)


def plain(attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return an item as JSON can carry it, for an encoder with `decimal_format="number"`.

    Binary values are in base64, and sets are sorted arrays.
    """
    return {
        name: fold(value, lambda kind, content: _PLAIN[kind](content))
        for name, value in attributes.items()
    }


_read_attributes = msgspec.json.Decoder(dict[str, dict[str, Any]]).decode


def from_text(text: str | bytes) -> dict[str, dict[str, Any]]:
    """Return the attributes in a DynamoDB JSON text, in which binary values are base64."""
    return {name: converted(value, _FROM_BASE64) for name, value in _read_attributes(text).items()}


def converted(
    attribute: Mapping[str, Any], converters: Mapping[str, Callable[[Any], Any]]
) -> dict[str, Any]:
    """Return an attribute with the contents of some types converted, within lists and maps too."""

    def convert(kind: str, content: Any) -> dict[str, Any]:
        return {kind: converters[kind](content) if kind in converters else content}

    return fold(attribute, convert)


_FROM_BASE64: dict[str, Callable[[Any], Any]] = {
    "B": b64decode,
    "BS": lambda members: [b64decode(member) for member in members],
}
