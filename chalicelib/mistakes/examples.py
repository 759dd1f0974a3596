"""The examples of a declaration, which must be records that its own API takes."""

from collections.abc import Iterator

import msgspec

from chalicelib.declaration import Table
from chalicelib.errors import Problem
from chalicelib.validation import Validator


def check_examples(table: Table) -> Iterator[str]:
    """Yield which examples of a table that is right otherwise break its rules."""
    validator = Validator(table)
    encode = msgspec.json.Encoder(decimal_format="number").encode
    for number, example in enumerate(table.examples, 1):
        try:
            validator.record(encode(example))
        except Problem as refused:
            errors = "; ".join(f"{each.pointer} {each.detail}" for each in refused.errors)
            yield f"example {number}: {(errors or refused.detail).rstrip('.')}; correct it"
        except Exception as error:
            yield f"example {number} is not JSON: {error}; write it as the API takes records"
