"""The input template: renders the payload of one record.

Follows https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-input-transformation.html.
Where AWS does not document the output, nothing is guessed: the record fails, with the reason.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from local.pipe.definition import PipeDefinition
from local.stream.consumer import DefinitionError
from sluice.errors import TransformationFailed
from sluice.event import MISSING, VARIABLE, encode, undocumented, unquoted

_PATH = re.compile(r"\$((?:\.[A-Za-z0-9_/-]+|\[[0-9]{1,9}\])+)")
_STEP = re.compile(r"\.([A-Za-z0-9_/-]+)|\[([0-9]+)\]")
_UNKNOWN_VARIABLE = re.compile(r"<[A-Za-z$][^<>\s]*>")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_EVENTS = ("aws.pipes.event", "aws.pipes.event.json")


class TemplateError(DefinitionError):
    """A template that this pipe does not accept; the message names the place and the rule."""


_Value = Callable[[Mapping[str, Any], float], Any]
"""From an event, and the epoch second it was received, to what a variable stands for."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A variable with the text before it."""

    text: bytes
    name: str
    value: _Value
    quoted: bool


class Template:
    """A compiled template. An empty one passes the whole record, as Pipes does without any."""

    def __init__(self, definition: PipeDefinition) -> None:
        """Raises TemplateError."""
        self._parts, self._tail = _compile(definition)
        self._whole = not definition.input_template
        self._bare = len(self._parts) == 1 and not (self._parts[0].text + self._tail).strip()

    def render(self, event: Mapping[str, Any], ingested_at: float) -> bytes:
        """Render an event received at an epoch second. Raises TransformationFailed."""
        try:
            return encode(event) if self._whole else self._fill(event, ingested_at)
        except UnicodeEncodeError:
            raise TransformationFailed("a text of the record is not valid Unicode") from None

    def _fill(self, event: Mapping[str, Any], ingested_at: float) -> bytes:
        out: list[bytes] = []
        risky: str | None = None
        for part in self._parts:
            out.append(part.text)
            value = part.value(event, ingested_at)
            if part.quoted:
                out.append(_quoted(part.name, value))
                if isinstance(value, str) and b"\\" in encode(value):
                    risky = part.name
            elif value is MISSING and self._bare:
                raise undocumented(part.name, "is all of the template and missing")
            else:
                out.append(unquoted(part.name, value))
        out.append(self._tail)
        payload = b"".join(out)
        if risky is not None and not _is_json(payload):
            raise TransformationFailed(
                f"<{risky}> is within quotes, and Pipes does not escape what it inserts: with "
                "this value the payload is not JSON; leave out the quotes"
            )
        return payload


def _quoted(name: str, value: Any) -> bytes:
    if value is MISSING:
        return b""
    if isinstance(value, str):
        return value.encode()
    if value is None or isinstance(value, dict | list):
        raise undocumented(name, "is not a text, number or boolean, and is within quotes")
    return encode(value)


def _is_json(payload: bytes) -> bool:
    try:
        msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _compile(definition: PipeDefinition) -> tuple[list[_Part], bytes]:
    template = definition.input_template
    try:
        template.encode()
    except UnicodeEncodeError:
        raise TemplateError(
            "InputTemplate holds half of a surrogate pair, which is not text"
        ) from None
    parts: list[_Part] = []
    sample = ""
    end = 0
    for match in VARIABLE.finditer(template):
        text, name = _static(template[end : match.start()]), match[1]
        sample += text
        quoted = '"' in _TEXT.sub("", sample)
        value = _path(name) if name.startswith("$") else _reserved(name, definition)
        if quoted and name in _EVENTS:
            raise TemplateError(f"InputTemplate: <{name}> must not be within quotes")
        if name == "aws.pipes.event.json" and not sample.rstrip().endswith(":"):
            raise TemplateError(f"InputTemplate: <{name}> must be the value of a JSON field")
        parts.append(_Part(text.encode(), name, value, quoted))
        sample += "" if quoted else "null"
        end = match.end()
    tail = _static(template[end:])
    if parts and not _is_json((sample + tail).encode()):
        raise TemplateError(
            "InputTemplate is not JSON once its variables are filled in, or nests too deeply to be "
            "read; AWS does not document how values come out in other text"
        )
    return parts, tail.encode()


def _static(text: str) -> str:
    if unknown := _UNKNOWN_VARIABLE.search(text):
        raise TemplateError(
            f"InputTemplate: {unknown.group()} is neither a path like <$.a.b> nor a reserved "
            "variable"
        )
    return text


def _path(name: str) -> _Value:
    """Return what reads the value at a path, or finds it missing."""
    if "*" in name:
        raise TemplateError(f"InputTemplate: <{name}>: `*` in a path is not supported locally")
    if not _PATH.fullmatch(name):
        raise TemplateError(f"InputTemplate: <{name}> is not a path like <$.a.b> or <$.a[0]>")
    steps = [int(index) if index else key for key, index in _STEP.findall(name)]

    def value(event: Mapping[str, Any], _ingested_at: float) -> Any:
        node: Any = event
        for step in steps:
            if not isinstance(node, dict if isinstance(step, str) else list):
                return MISSING
            try:
                node = node[step]
            except LookupError:
                return MISSING
        return node

    return value


def _reserved(name: str, definition: PipeDefinition) -> _Value:
    """Return what reads a reserved variable."""
    variables: Mapping[str, _Value] = {
        "aws.pipes.pipe-arn": lambda *_: definition.arn,
        "aws.pipes.pipe-name": lambda *_: definition.name,
        "aws.pipes.source-arn": lambda *_: definition.source_arn,
        "aws.pipes.target-arn": lambda *_: definition.target_arn,
        "aws.pipes.event.ingestion-time": lambda _, ingested_at: (
            datetime.fromtimestamp(ingested_at, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z")
        ),
        **dict.fromkeys(_EVENTS, lambda event, _: event),
    }
    if name in variables:
        return variables[name]
    if name == "aws.pipes.enrichment-arn":
        raise TemplateError(f"InputTemplate: <{name}>: the pipe has no enrichment")
    raise TemplateError(f"InputTemplate: <{name}> is not a reserved variable")
