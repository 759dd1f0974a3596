"""The input template: renders the payload of one record.

Follows https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-input-transformation.html.
Where AWS does not document the output, nothing is guessed: the record fails, with the reason.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from local.pipe.definition import DefinitionError, PipeDefinition

_VARIABLE = re.compile(r"<(\$[^<>]*|aws\.pipes\.[^<>]*)>")
_PATH = re.compile(r"\$((?:\.[A-Za-z0-9_/-]+|\[[0-9]{1,9}\])+)")
_STEP = re.compile(r"\.([A-Za-z0-9_/-]+)|\[([0-9]+)\]")
_UNKNOWN_VARIABLE = re.compile(r"<[A-Za-z$][^<>\s]*>")

_MISSING = object()

encode = msgspec.json.Encoder().encode


class TemplateError(DefinitionError):
    """A template that this pipe does not accept; the message names the place and the rule."""


class TransformationFailed(Exception):  # noqa: N818 - the name of the event in Pipes' logs
    """A record whose payload would be invalid. The message never holds its values."""


@dataclass(frozen=True, slots=True)
class _Path:
    """A value of the event, or none."""

    name: str
    steps: tuple[str | int, ...]

    def value(self, event: Mapping[str, Any], _ingested_at: float) -> Any:
        node: Any = event
        for step in self.steps:
            if isinstance(step, str):
                if not isinstance(node, dict) or step not in node:
                    return _MISSING
            elif not isinstance(node, list) or step >= len(node):
                return _MISSING
            node = node[step]
        return node


@dataclass(frozen=True, slots=True)
class _Constant:
    """A reserved variable that is the same for every record."""

    name: str
    text: str

    def value(self, _event: Mapping[str, Any], _ingested_at: float) -> Any:
        return self.text


@dataclass(frozen=True, slots=True)
class _IngestionTime:
    name: str

    def value(self, _event: Mapping[str, Any], ingested_at: float) -> Any:
        time = datetime.fromtimestamp(ingested_at, UTC).isoformat(timespec="milliseconds")
        return time.replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class _Event:
    name: str

    def value(self, event: Mapping[str, Any], _ingested_at: float) -> Any:
        return event


_Variable = _Path | _Constant | _IngestionTime | _Event


@dataclass(frozen=True, slots=True)
class _Part:
    """A variable with the text before it."""

    text: bytes
    variable: _Variable
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
            value = part.variable.value(event, ingested_at)
            if part.quoted:
                out.append(_quoted(part.variable.name, value))
                if isinstance(value, str) and b"\\" in encode(value):
                    risky = part.variable.name
            elif value is _MISSING and self._bare:
                raise _undocumented(
                    self._parts[0].variable.name, "is all of the template and missing"
                )
            else:
                out.append(_unquoted(part.variable.name, value))
        out.append(self._tail)
        payload = b"".join(out)
        if risky is not None and not _is_json(payload):
            raise TransformationFailed(
                f"<{risky}> is within quotes, and Pipes does not escape what it inserts: with "
                "this value the payload is not JSON; leave out the quotes"
            )
        return payload


def _unquoted(name: str, value: Any) -> bytes:
    if value is _MISSING:
        return b'""'
    if value is None:
        raise _undocumented(name, "is null")
    text = encode(value)
    if isinstance(value, str) and b"\\" in text:
        raise _undocumented(name, "is a text with a quote, a backslash or a control character")
    return text


def _quoted(name: str, value: Any) -> bytes:
    if value is _MISSING:
        return b""
    if isinstance(value, str):
        return value.encode()
    if value is None or isinstance(value, dict | list):
        raise _undocumented(name, "is not a text, number or boolean, and is within quotes")
    return encode(value)


def _undocumented(name: str, case: str) -> TransformationFailed:
    return TransformationFailed(
        f"<{name}> {case}: AWS does not document what Pipes makes of that, so it is not guessed"
    )


def _is_json(payload: bytes) -> bool:
    try:
        msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _compile(definition: PipeDefinition) -> tuple[list[_Part], bytes]:
    template = definition.input_template
    if not _is_unicode(template):
        raise TemplateError("InputTemplate holds half of a surrogate pair, which is not text")
    parts: list[_Part] = []
    sample = ""
    quoted = False
    end = 0
    for match in _VARIABLE.finditer(template):
        text = _static(template[end : match.start()])
        sample += text
        quoted = _within_quotes(text, quoted)
        variable = _variable(match.group(1), definition)
        if isinstance(variable, _Event) and quoted:
            raise TemplateError(f"InputTemplate: <{variable.name}> must not be within quotes")
        if variable.name == "aws.pipes.event.json" and not sample.rstrip().endswith(":"):
            raise TemplateError(
                f"InputTemplate: <{variable.name}> must be the value of a JSON field"
            )
        parts.append(_Part(text.encode(), variable, quoted))
        sample += "" if quoted else "null"
        end = match.end()
    tail = _static(template[end:])
    if parts and not _is_json((sample + tail).encode()):
        raise TemplateError(
            "InputTemplate is not JSON once its variables are filled in, or nests too deeply to be "
            "read; AWS does not document how values come out in other text"
        )
    return parts, tail.encode()


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _static(text: str) -> str:
    if unknown := _UNKNOWN_VARIABLE.search(text):
        raise TemplateError(
            f"InputTemplate: {unknown.group()} is neither a path like <$.a.b> nor a reserved "
            "variable"
        )
    return text


def _within_quotes(text: str, quoted: bool) -> bool:
    escaped = False
    for character in text:
        if escaped:
            escaped = False
        elif character == "\\" and quoted:
            escaped = True
        elif character == '"':
            quoted = not quoted
    return quoted


def _variable(name: str, definition: PipeDefinition) -> _Variable:
    if name.startswith("$"):
        if "*" in name:
            raise TemplateError(f"InputTemplate: <{name}>: `*` in a path is not supported locally")
        if not _PATH.fullmatch(name):
            raise TemplateError(f"InputTemplate: <{name}> is not a path like <$.a.b> or <$.a[0]>")
        return _Path(
            name, tuple(int(index) if index else key for key, index in _STEP.findall(name))
        )
    constants = {
        "aws.pipes.pipe-arn": definition.arn,
        "aws.pipes.pipe-name": definition.name,
        "aws.pipes.source-arn": definition.source_arn,
        "aws.pipes.target-arn": definition.target_arn,
    }
    if name in constants:
        return _Constant(name, constants[name])
    if name == "aws.pipes.event.ingestion-time":
        return _IngestionTime(name)
    if name in ("aws.pipes.event", "aws.pipes.event.json"):
        return _Event(name)
    if name == "aws.pipes.enrichment-arn":
        raise TemplateError(f"InputTemplate: <{name}>: the pipe has no enrichment")
    raise TemplateError(f"InputTemplate: <{name}> is not a reserved variable")
