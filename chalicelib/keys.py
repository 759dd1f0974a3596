"""The key of an item, as attributes and as texts.

A text key is its text, a number its digits without a needless exponent or zero, a binary value its
base64: as lines of the lake have them, and so that two texts are equal when the keys are.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from typing import Any
from urllib.parse import quote

from chalicelib.attributes import is_key, is_storable, number
from chalicelib.declaration import Table
from chalicelib.limits import KEY_BYTES_MAX, SORT_KEY_BYTES_MAX

KEY_PART_BYTES_MAX = (KEY_BYTES_MAX, SORT_KEY_BYTES_MAX)
"""Bytes of the parts of a key, in the table's order."""

_EXACT = Context(prec=40)

_FOR_URLS = str.maketrans("+/", "-_")
_FROM_URLS = str.maketrans("-_", "+/")

Item = Mapping[str, Mapping[str, Any]]
"""An item, or its key, as boto3's low-level client has it."""

Texts = tuple[str, ...]
"""A key as texts, in the table's order."""


def key_of(table: Table, item: Item) -> dict[str, Any]:
    """Return the key of an item, as boto3 takes it. Raises KeyError."""
    return {name: item[name] for name in table.key_names}


def texts_of(table: Table, item: Item) -> Texts:
    """Return the key of an item as texts, in the table's order. Raises KeyError."""
    return tuple(_text(key.type, item[key.name][key.type]) for key in table.key)


def path_of(table: Table, item: Item) -> str:
    """Return the key of an item as the end of a path of the API, percent-encoded.

    A binary part is in the base64 for URLs, since servers may take an encoded slash for their own.
    """
    segments = [
        text.translate(_FOR_URLS) if key.type == "B" else text
        for key, text in zip(table.key, texts_of(table, item), strict=True)
    ]
    return "/".join(quote(segment, safe="") for segment in segments)


def key_from(table: Table, texts: Sequence[str]) -> dict[str, Any]:
    """Return the key that texts name. Raises ValueError with the attribute and the rule."""
    if len(texts) != len(table.key):
        names = ", ".join(table.key_names)
        raise ValueError(f"a key is {len(table.key)} values ({names}), not {len(texts)}")
    return {
        key.name: {key.type: _content(key.name, key.type, text, limit)}
        for key, text, limit in zip(table.key, texts, KEY_PART_BYTES_MAX, strict=False)
    }


def _text(kind: str, content: Any) -> str:
    if kind == "N":
        exact = Decimal(content).normalize(_EXACT) or Decimal(0)
        return f"{exact:f}" if 0 <= exact.adjusted() < 39 else str(exact)
    return b64encode(content).decode() if isinstance(content, bytes) else str(content)


def _content(name: str, kind: str, text: str, limit: int) -> Any:
    match kind:
        case "N":
            try:
                exact = number(text)
            except ValueError:
                exact = None
            if exact is None or not is_storable(exact):
                raise ValueError(f"{name} must be a number that DynamoDB can hold")
            return _text("N", text)
        case "B":
            try:
                content = b64decode(text.translate(_FROM_URLS), validate=True)
            except ValueError:
                content = b""
            if not 1 <= len(content) <= limit:
                raise ValueError(f"{name} must be 1 to {limit} bytes in base64")
            return content
    if not is_key(text, limit):
        raise ValueError(f"{name} must have 1 to {limit} bytes")
    return text
