"""Reads JSON with its numbers exact: integers as int, all others as Decimal."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec


def _decimal(text: str) -> Decimal:
    """Return the number. One beyond every Decimal is an error of the decoder, as any other is."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("Number out of range") from None


read_value: Callable[[bytes | str], Any] = msgspec.json.Decoder(float_hook=_decimal).decode
"""Return the value of a JSON text. Raises msgspec.DecodeError or UnicodeDecodeError."""

read_object: Callable[[bytes | str], dict[str, Any]] = msgspec.json.Decoder(
    dict[str, Any], float_hook=_decimal
).decode
"""Return the members of a JSON text that is an object. Raises as `read_value` does."""
