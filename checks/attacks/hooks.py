"""Formats and filters for what JSON Schema cannot say; schemathesis loads this module itself."""

from base64 import b64encode
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import schemathesis
from hypothesis import strategies

from chalicelib.attributes import is_storable
from chalicelib.declaration import KeyType
from chalicelib.declared import declared
from chalicelib.record_schemas import PARTITION_FORMAT, TIME_FORMAT
from chalicelib.web import TOKEN_FORMAT, token

TABLE = declared()

LENGTH_MAX = min((level.length for level in TABLE.levels if level.attribute), default=256)
"""Characters of a partition's name that every level takes."""

_TEXTS = strategies.text(
    strategies.characters(exclude_categories=["Cs"]), min_size=1, max_size=LENGTH_MAX
)

_KEYS: dict[KeyType, strategies.SearchStrategy[str]] = {
    "S": _TEXTS,
    "N": strategies.integers(-(10**37), 10**37).map(str),
    "B": strategies.binary(min_size=1, max_size=99).map(
        lambda content: b64encode(content).decode()
    ),
}


def _short_enough(text: str) -> bool:
    return len(quote(text, safe="")) <= LENGTH_MAX


schemathesis.openapi.format(PARTITION_FORMAT, _TEXTS.filter(_short_enough))
schemathesis.openapi.format(
    TIME_FORMAT,
    strategies.datetimes(datetime(1970, 1, 1), timezones=strategies.just(UTC)).map(
        datetime.isoformat
    ),
)
schemathesis.openapi.format("decimal", strategies.decimals(-999, 999, places=3).map(str))
schemathesis.openapi.format(
    TOKEN_FORMAT, strategies.tuples(*(_KEYS[key.type] for key in TABLE.key)).map(token)
)


@schemathesis.hook
def filter_case(_context: schemathesis.HookContext, case: "schemathesis.Case[Any]") -> bool:
    """Leave out batches that write a key twice, and numbers that DynamoDB cannot hold."""
    body = case.body
    elements = body if isinstance(body, list) else []
    keys = [
        str([each[name] for name in TABLE.key_names])
        for each in elements
        if isinstance(each, dict) and all(name in each for name in TABLE.key_names)
    ]
    return len(keys) == len(set(keys)) and _holds_storable_numbers(body)


def _holds_storable_numbers(value: Any) -> bool:
    match value:
        case bool():
            return True
        case dict():
            return all(map(_holds_storable_numbers, value.values()))
        case list():
            return all(map(_holds_storable_numbers, value))
        case int() | float():
            return is_storable(Decimal(repr(value)))
    return True
