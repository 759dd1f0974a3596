"""Values of the types that a schema declares, made up by their rules and by chance.

They are as the API's JSON has them: binary values in base64, sets as sorted arrays.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from decimal import Decimal
from random import Random
from string import ascii_lowercase, digits
from typing import Any

from msgspec import inspect
from rstr import Rstr

from chalicelib.types import struct_fields
from sluice.errors import OperationError

ABSENT = 0.1
"""The part of values that are absent or null, where they may be."""

ATTEMPTS = 100
"""Tries at a value that keeps all rules, or differs from others."""

_WORDS = ("boiler", "fan", "gate", "lamp", "meter", "pump", "valve")
_SIZE = 3
"""Members that a collection without a rule has at most."""

_REPEATS = 6
"""How much more often than it must a part of a pattern is repeated at most."""

_MAGNITUDES = 12
"""Decimal digits of whole numbers without a rule, at most."""


class Values:
    """Makes up values. The same `chance` gives the same values."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def value(self, info: inspect.Type) -> Any:
        """Return a value of a type as msgspec describes it: one of its examples, if it has any.

        Raises OperationError for rules that it finds no value for.
        """
        chance = self._chance
        match info:
            case inspect.Metadata(type=inner):
                examples = examples_of(info)
                return chance.choice(examples) if examples else self.value(inner)
            case inspect.UnionType(types=types):
                if info.includes_none and chance.random() < ABSENT:
                    return None
                return self.value(chance.choice(_distinct_in_json(types)))
            case inspect.NoneType():
                return None
            case inspect.AnyType():
                return self.value(chance.choice(_ANY))
            case inspect.StrType():
                return self.text(info)
            case inspect.BytesType():
                return b64encode(chance.randbytes(self._size(info))).decode()
            case inspect.BoolType():
                return chance.random() < 0.5
            case inspect.IntType():
                return self._whole(info)
            case inspect.DecimalType():
                amount = Decimal(chance.randrange(10**6)).scaleb(-chance.randrange(4))
                # Without the zeros at its end, which DynamoDB does not keep.
                return Decimal(f"{amount.normalize():f}")
            case inspect.LiteralType(values=values):
                return chance.choice(values)
            case inspect.EnumType(cls=cls):
                return chance.choice([member.value for member in cls])
            case inspect.SetType(item_type=element) | inspect.FrozenSetType(item_type=element):
                size = max(1, self._size(info))
                return sorted(self.different(lambda: self.value(element), size, info.min_length))
            case inspect.ListType(item_type=element):
                return [self.value(element) for _ in range(self._size(info))]
            case inspect.DictType(key_type=key, value_type=element):
                size = self._size(info)
                names = self.different(lambda: self.value(key), size, info.min_length)
                return {name: self.value(element) for name in names}
            case inspect.StructType(cls=cls):
                return {
                    field.encode_name: self.value(field.type)
                    for field in struct_fields(cls)
                    if field.required or not self.is_absent()
                }
        raise OperationError(f"no value can be made up for the type {info}")

    def is_absent(self) -> bool:
        """Whether a field that may be absent shall be."""
        return self._chance.random() < ABSENT

    def different(self, make: Callable[[], Any], count: int, least: int | None = None) -> list[Any]:
        """Return so many different values; fewer, but not below `least`, if there are no more."""
        values: list[Any] = []
        for _ in range(count * ATTEMPTS):
            if len(values) == count:
                break
            if (value := make()) not in values:
                values.append(value)
        if len(values) < (least or 0):
            raise OperationError(f"{least} different values are wanted where there are too few")
        return values

    def text(self, info: inspect.StrType, start: str = "", body: str | None = None) -> str:
        """Return a text that keeps the rules and begins with `start`; with `body`, if that fits.

        Raises OperationError with the way out.
        """
        least, most = info.min_length or 0, info.max_length
        for attempt in range(ATTEMPTS):
            if info.pattern is not None:
                matching = self._matching(info.pattern)
                text = matching if matching.startswith(start) else start + matching
            else:
                own = body if body is not None and attempt == 0 else self._words()
                text = f"{start}{own}".ljust(least, "0")
                if most is not None and len(text) > most:
                    text = start + self._letters(most - len(start))
            if (
                least <= len(text) <= (len(text) if most is None else most)
                and text.startswith(start)
                and (info.pattern is None or re.search(info.pattern, text))
            ):
                return text
        raise OperationError(
            f"no text was found that keeps the rules {_rules(info, start)}; give the field "
            "Meta(examples=[…])"
        )

    def _words(self) -> str:
        return f"{self._chance.choice(_WORDS)} {self._chance.randrange(1000)}"

    def _letters(self, count: int) -> str:
        return "".join(self._chance.choices(ascii_lowercase + digits, k=max(0, count)))

    def _size(self, info: Any) -> int:
        least = info.min_length or 0
        most = least + _SIZE if info.max_length is None else info.max_length
        return self._chance.randint(least, max(least, min(most, least + _SIZE)))

    def _whole(self, info: inspect.IntType) -> int:
        """Return a whole number, of any magnitude where the rules leave that open."""
        step = info.multiple_of or 1
        lows = [info.ge] if info.ge is not None else [] if info.gt is None else [info.gt + 1]
        highs = [info.le] if info.le is not None else [] if info.lt is None else [info.lt - 1]
        low = max(0, *lows) if lows else 0
        high = min(highs, default=10**_MAGNITUDES)
        if low > high:
            low = max(lows, default=high - 1000)
        reach = min(int(high - low), 10 ** self._chance.randint(1, _MAGNITUDES))
        value = int(low) + self._chance.randint(0, reach)
        multiple = int(value - value % step)
        return multiple if multiple >= low else int(multiple + step)

    def _matching(self, pattern: str) -> str:
        """Return a text for a pattern: a proposal, since what looks around may not fit."""
        try:
            return Rstr(_Sparing(self._chance.getrandbits(64))).xeger(pattern)
        except (KeyError, IndexError):
            return ""  # It has what rstr does not know, or no character that rstr chooses from.


class _Sparing(Random):
    """Chance that repeats the parts of a pattern rarely, and takes characters that can be read."""

    def randint(self, a: int, b: int) -> int:
        """Return a number of repeats."""
        return super().randint(a, max(a, min(b, a + _REPEATS)))

    def choice(self, seq: Any) -> Any:
        """Return a character, or a branch of a pattern."""
        readable = sorted(each for each in seq if isinstance(each, str) and each.isprintable())
        return super().choice(readable or seq)


def examples_of(info: inspect.Type) -> list[Any]:
    """Return the values that `Meta(examples=…)` gives for a type."""
    match info:
        case inspect.Metadata(extra_json_schema=dict(schema)):
            return list(schema.get("examples", ()))
    return []


_ANY = tuple(
    inspect.type_info(each) for each in (str, int, bool, list[str], dict[str, int], Decimal)
)


def _distinct_in_json(types: Iterable[inspect.Type]) -> list[inspect.Type]:
    """Return the types of a union that JSON distinguishes: no binary value beside text."""
    others = [each for each in types if not isinstance(each, inspect.NoneType)]
    has_text = any(isinstance(each, inspect.StrType) for each in others)
    return [each for each in others if not (has_text and isinstance(each, inspect.BytesType))]


def _rules(info: inspect.StrType, start: str) -> str:
    rules = {
        "begins with": start or None,
        "pattern": info.pattern,
        "min_length": info.min_length,
        "max_length": info.max_length,
    }
    return ", ".join(f"{name} {rule}" for name, rule in rules.items() if rule is not None)
