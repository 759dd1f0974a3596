"""S3 prefixes with `!{namespace:expression}` holes: parsed once, evaluated for every object.

Firehose's rules: https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html
"""

import re
import secrets
import string
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from chalicelib.errors import SluiceError

RANDOM_LENGTH = 11

_HOLE = re.compile(r"!\{([^}]*)\}")
_KEY = re.compile(r"!\{partitionKeyFromLambda:([^}]+)\}")
_DATE_TOKEN = re.compile(r"'((?:[^']|'')*)'|(([A-Za-z])\3*)|([^A-Za-z'#{}\[\]]+)|.", re.DOTALL)
_DATE_FIELDS = {"y": "year", "M": "month", "d": "day", "H": "hour", "m": "minute", "s": "second"}


class PrefixError(SluiceError):
    """A prefix that Firehose refuses, or that this server cannot evaluate."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """A parsed prefix."""

    text: str

    @property
    def has_error_type(self) -> bool:
        """Whether the prefix has a hole for the type of error."""
        return "!{firehose:error-output-type}" in self.text

    @property
    def keys(self) -> tuple[str, ...]:
        """The partition keys it names, in order, each once."""
        return tuple(dict.fromkeys(_KEY.findall(self.text)))

    def evaluate(
        self, epoch_ms: int, keys: Mapping[str, str] | None = None, error_type: str = ""
    ) -> str:
        """The prefix of one object, at the arrival of its oldest record (epoch ms, put in UTC)."""
        moment = datetime.fromtimestamp(epoch_ms / 1000, UTC)
        values = {} if keys is None else keys

        def value(hole: re.Match[str]) -> str:
            match hole[1].partition(":"):
                case "partitionKeyFromLambda", _, key if key:
                    return values[key]
                case "timestamp", _, pattern if pattern:
                    return format_date(pattern, moment)
                case "firehose", _, "random-string":
                    return _random_string()
                case "firehose", _, "error-output-type":
                    return error_type
            raise PrefixError(
                f"{hole[0]} cannot be evaluated here; known are !{{partitionKeyFromLambda:key}}, "
                "!{timestamp:pattern}, !{firehose:random-string} and !{firehose:error-output-type}"
            )

        return _HOLE.sub(value, self.text)


def parse(text: str) -> Prefix:
    """Parse a prefix. Raises PrefixError for a namespace or date pattern not known."""
    prefix = Prefix(text)
    prefix.evaluate(0, defaultdict(str))
    if "!{" in _HOLE.split(text)[-1]:
        raise PrefixError(f"prefix {text!r} opens an expression with !{{ and never closes it")
    return prefix


def format_date(pattern: str, moment: datetime) -> str:
    """A Java DateTimeFormatter pattern at a moment: y, M, d, H, m, s as numbers, quoted literals.

    Raises PrefixError for other letters, text months, and characters that Java reserves.
    """

    def write(token: re.Match[str]) -> str:
        quoted, field, letter, literal = token.groups()
        if quoted is not None:
            return quoted.replace("''", "'") or "'"
        if literal:
            return literal
        if not field:
            raise PrefixError(
                f"timestamp pattern {pattern!r} has a reserved character or an open quote "
                f"at {pattern[token.start() :]!r}"
            )
        if letter not in _DATE_FIELDS or (len(field) > 2 and field != "yyyy"):
            raise PrefixError(
                f"timestamp pattern {pattern!r} uses {field!r}; known are yyyy, and once or twice "
                f"{', '.join(_DATE_FIELDS)}"
            )
        digits = f"{getattr(moment, _DATE_FIELDS[letter]):0{len(field)}d}"
        return digits[-2:] if len(field) == 2 else digits

    return _DATE_TOKEN.sub(write, pattern)


def _random_string() -> str:
    return "".join(
        secrets.choice(string.ascii_letters + string.digits) for _ in range(RANDOM_LENGTH)
    )
