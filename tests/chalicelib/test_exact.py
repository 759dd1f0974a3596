"""Numbers in JSON stay exact, and none of them stops who reads them."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from chalicelib.exact import read_object, read_value

BEYOND = ("1e9999999999999999999", "-1.5E+18446744073709551616", "1e-9999999999999999999")
"""Numbers of JSON that no Decimal holds."""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9007199254740993", 9007199254740993),
        ("9007199254740993.50", Decimal("9007199254740993.50")),
        ("1e400", Decimal("1e400")),
        ("-0.0", Decimal("-0.0")),
    ],
)
def test_a_number_stays_exact(text: str, value: int | Decimal) -> None:
    number = read_value(text)
    assert (type(number), str(number)) == (type(value), str(value))
    assert read_object(f'{{"a":{text}}}') == {"a": value}


@pytest.mark.parametrize("number", BEYOND)
@pytest.mark.parametrize("form", ["{}", "[{}]", '{{"a":{}}}', '{{"a":[1,{{"b":{}}}]}}'])
def test_a_number_beyond_every_decimal_is_an_error_of_the_decoder(form: str, number: str) -> None:
    text: Any = form.format(number)
    for content in (text, text.encode()):
        for read in (read_value, read_object):
            with pytest.raises(msgspec.DecodeError):
                read(content)
