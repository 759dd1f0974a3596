"""Filters of requests for what JSON Schema cannot say; schemathesis loads this module itself."""

from typing import Any
from urllib.parse import quote

import schemathesis
from hypothesis import strategies

from chalicelib.declaration import VALUE_LENGTH_MAX
from chalicelib.openapi import PARTITION_FORMAT
from chalicelib.schema import KEY
from chalicelib.web import TOKEN_FORMAT, token

_TEXTS = strategies.text(
    strategies.characters(exclude_categories=["Cs"]), min_size=1, max_size=VALUE_LENGTH_MAX
)


def _short_enough(text: str) -> bool:
    return len(quote(text, safe="")) <= VALUE_LENGTH_MAX


schemathesis.openapi.format(PARTITION_FORMAT, _TEXTS.filter(_short_enough))
schemathesis.openapi.format(TOKEN_FORMAT, _TEXTS.map(token))


@schemathesis.hook
def filter_body(_context: schemathesis.HookContext, body: Any) -> bool:
    """Leave out batches that write an id twice."""
    elements = body if isinstance(body, list) else []
    keys = [str(each[KEY]) for each in elements if isinstance(each, dict) and KEY in each]
    return len(keys) == len(set(keys))
