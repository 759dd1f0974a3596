"""S3 prefixes with `!{namespace:expression}` holes: parsed once, evaluated for every object.

Firehose's rules: https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html
"""

import re
import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

RANDOM_LENGTH = 11

Namespace = Literal["literal", "key", "timestamp", "random-string", "error-output-type"]

_HOLE = re.compile(r"!\{([^}]*)\}")
_DATE_TOKEN = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|([^A-Za-z'#{}\[\]]+)")
_DATE_FIELDS: dict[str, Callable[[datetime], str]] = {
    "yyyy": lambda t: f"{t.year:04d}",
    "y": lambda t: f"{t.year}",
    "yy": lambda t: f"{t.year % 100:02d}",
    "MM": lambda t: f"{t.month:02d}",
    "M": lambda t: f"{t.month}",
    "dd": lambda t: f"{t.day:02d}",
    "d": lambda t: f"{t.day}",
    "HH": lambda t: f"{t.hour:02d}",
    "H": lambda t: f"{t.hour}",
    "mm": lambda t: f"{t.minute:02d}",
    "m": lambda t: f"{t.minute}",
    "ss": lambda t: f"{t.second:02d}",
    "s": lambda t: f"{t.second}",
}


class PrefixError(ValueError):
    """A prefix that Firehose refuses, or that this server cannot evaluate."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a prefix: literal text, or a hole with its namespace and expression."""

    namespace: Namespace
    text: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """A parsed prefix."""

    parts: tuple[Part, ...]

    def has(self, namespace: Namespace) -> bool:
        """Whether the prefix has a hole of this namespace."""
        return any(part.namespace == namespace for part in self.parts)

    @property
    def keys(self) -> tuple[str, ...]:
        """The partition keys it names, in order, each once."""
        return tuple(dict.fromkeys(part.text for part in self.parts if part.namespace == "key"))

    def evaluate(
        self, epoch_ms: int, keys: Mapping[str, str] | None = None, error_type: str = ""
    ) -> str:
        """The prefix of one object, at the arrival of its oldest record (epoch ms, put in UTC)."""
        moment = datetime.fromtimestamp(epoch_ms / 1000, UTC)
        values = keys or {}
        evaluated = []
        for part in self.parts:
            if part.namespace == "literal":
                evaluated.append(part.text)
            elif part.namespace == "key":
                evaluated.append(values[part.text])
            elif part.namespace == "timestamp":
                evaluated.append(format_date(part.text, moment))
            elif part.namespace == "random-string":
                evaluated.append(_random_string())
            else:
                evaluated.append(error_type)
        return "".join(evaluated)


def parse(text: str) -> Prefix:
    """Parse a prefix. Raises PrefixError for a namespace or date pattern not known."""
    parts = []
    end = 0
    for hole in _HOLE.finditer(text):
        if hole.start() > end:
            parts.append(Part("literal", text[end : hole.start()]))
        parts.append(_part(hole[1]))
        end = hole.end()
    rest = text[end:]
    if "!{" in rest:
        raise PrefixError(f"prefix {text!r} opens an expression with !{{ and never closes it")
    if rest:
        parts.append(Part("literal", rest))
    return Prefix(tuple(parts))


def _part(expression: str) -> Part:
    namespace, _, value = expression.partition(":")
    if namespace == "partitionKeyFromLambda" and value:
        return Part("key", value)
    if namespace == "timestamp" and value:
        format_date(value, datetime(2000, 1, 1, tzinfo=UTC))
        return Part("timestamp", value)
    if expression == "firehose:random-string":
        return Part("random-string", value)
    if expression == "firehose:error-output-type":
        return Part("error-output-type", value)
    raise PrefixError(
        f"!{{{expression}}} cannot be evaluated here; known are !{{partitionKeyFromLambda:key}}, "
        "!{timestamp:pattern}, !{firehose:random-string} and !{firehose:error-output-type}"
    )


def format_date(pattern: str, moment: datetime) -> str:
    """A Java DateTimeFormatter pattern at a moment: y, M, d, H, m, s as numbers, quoted literals.

    Raises PrefixError for other letters, text months, and characters that Java reserves.
    """
    written = []
    position = 0
    while position < len(pattern):
        token = _DATE_TOKEN.match(pattern, position)
        if token is None:
            raise PrefixError(
                f"timestamp pattern {pattern!r} has a reserved character or an open quote "
                f"at {pattern[position:]!r}"
            )
        field = token[0]
        if token[1] is not None:
            written.append(token[1].replace("''", "'") or "'")
        elif token[2] is None:
            written.append(field)
        elif field in _DATE_FIELDS:
            written.append(_DATE_FIELDS[field](moment))
        else:
            raise PrefixError(
                f"timestamp pattern {pattern!r} uses {field!r}; known are {', '.join(_DATE_FIELDS)}"
            )
        position = token.end()
    return "".join(written)


def _random_string() -> str:
    return "".join(
        secrets.choice(string.ascii_letters + string.digits) for _ in range(RANDOM_LENGTH)
    )
