"""The local pipe's template renderer.

Promise: a template is taken or refused with TemplateError; a record is rendered or refused with
TransformationFailed, whose message repeats none of its values. Paths outside of quotes give JSON
again, with what stands there, or "" where nothing does, under every key of the template.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from chalicelib.change import INPUT_TEMPLATE
from checks.attacks.choices import Choices
from checks.attacks.promise import expect
from checks.attacks.samples import EVENTS, MARK, pipe
from local.pipe.definition import TEMPLATE_LENGTH_MAX, PipeDefinition
from local.pipe.template import Template, TemplateError, TransformationFailed

INGESTED_AT = 1700076552.25


class Renderer(Protocol):
    """A compiled template."""

    def render(self, event: Mapping[str, Any], ingested_at: float) -> bytes:
        """The payload of a record."""


TOKENS = (
    *(b"<$.dynamodb>", b"<$.eventID>", b"<$.missing>", b"<$.a[0].b>", b"<$", b">", b"[0]", b"*"),
    *(b"<aws.pipes.pipe-arn>", b"<aws.pipes.event.json>", b"<aws.pipes.event>", b"\0"),
    *(b"<aws.pipes.event.ingestion-time>", b"<aws.pipes.enrichment-arn>", b"dynamodb", b"NewImage"),
    *(b"\\ud800", b'\\"', b'"a": ', b"null", b"1e999", b"[[[[[[[["),
)

_NAMES = ("dynamodb", "NewImage", "id", "S", "a", "b", "a-b", "0")
_STEPS = (*(f".{name}" for name in _NAMES), "[0]", "[1]")
_MISSING = object()


def seeds() -> Iterator[bytes]:
    """Templates with records, and decisions to compose others."""
    templates = (
        INPUT_TEMPLATE,
        "",
        "<$.dynamodb.NewImage>",
        '{"a": "<$.eventName> of <$.dynamodb.Keys.id.S>", "b": <$.dynamodb.NewImage.name.S>}',
        '[<$.missing>, <aws.pipes.event.ingestion-time>, {"e": <aws.pipes.event.json>}]',
    )
    for template in templates:
        for event in EVENTS[:3]:
            yield b"\0" + template.encode() + b"\0" + json.dumps(event).encode()
    for start in range(0, 240, 40):
        yield b"\x01" + bytes(range(start, start + 40)) * 2


def attack(data: bytes, compiled: Callable[[PipeDefinition], Renderer] = Template) -> None:
    """Render one record by one template. `compiled` makes the renderer under attack."""
    if data[:1] == b"\x01":
        _composed(Choices(data[1:]), compiled)
        return
    template, _, text = data[1:].partition(b"\0")
    try:
        event = json.loads(text)
        depth = max(text.count(b"{"), text.count(b"["))
    except (ValueError, RecursionError):
        return
    # The pipe reads records from DynamoDB, whose items nest at most 32 levels deep.
    if isinstance(event, dict) and depth <= 100:
        _rendered(compiled, template.decode(errors="surrogateescape"), event)


def _rendered(
    compiled: Callable[[PipeDefinition], Renderer], template: str, event: Mapping[str, Any]
) -> bytes | None:
    """The payload; None where the template or the record is refused."""
    try:
        renderer = compiled(pipe(template[:TEMPLATE_LENGTH_MAX]))
    except TemplateError:
        return None
    try:
        return renderer.render(event, INGESTED_AT)
    except TransformationFailed as refused:
        expect(MARK in template or MARK not in str(refused), "a refusal tells no value")
        return None


def _composed(choices: Choices, compiled: Callable[[PipeDefinition], Renderer]) -> None:
    """A template of objects and arrays whose values are paths, over any record."""
    event = choices.members(_NAMES, 4)
    paths: list[tuple[str | int, ...]] = []
    template = _part(choices, paths, 3)
    payload = _rendered(compiled, template, event)
    values = [_at(event, path) for path in paths]
    refused = [value for value in values if _undocumented(value)]
    if payload is None:
        alone = template.startswith("<") and values == [_MISSING]
        unwritable = not _encodes(values)
        expect(refused or alone or unwritable, "what AWS documents is not refused")
        return
    expect(not refused, "what AWS does not document is refused")
    filled = iter(["" if value is _MISSING else value for value in values])
    sample = json.loads(template.replace("<", '"<').replace(">", '>"'))
    expect(json.loads(payload) == _fill(sample, filled), "each path gives what stands there")


def _part(choices: Choices, paths: list[tuple[str | int, ...]], depth: int) -> str:
    match choices.below(4) if depth else 0:
        case 1:
            inner = [_part(choices, paths, depth - 1) for _ in range(choices.below(4))]
            return f"[{', '.join(inner)}]"
        case 2:
            inner = [
                f'"{number}": {_part(choices, paths, depth - 1)}'
                for number in range(choices.below(4))
            ]
            return "{" + ", ".join(inner) + "}"
    steps = [choices.pick(_STEPS) for _ in range(1 + choices.below(4))]
    paths.append(tuple(int(step[1:-1]) if step.startswith("[") else step[1:] for step in steps))
    return f"<${''.join(steps)}>"


def _at(event: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        if isinstance(event, str):
            return _MISSING
        try:
            event = event[step]
        except (LookupError, TypeError):
            return _MISSING
    return event


def _undocumented(value: Any) -> bool:
    return value is None or (
        isinstance(value, str) and json.dumps(value, ensure_ascii=False) != f'"{value}"'
    )


def _encodes(values: list[Any]) -> bool:
    try:
        json.dumps(
            [value for value in values if value is not _MISSING], ensure_ascii=False
        ).encode()
    except UnicodeEncodeError:
        return False
    return True


def _fill(sample: Any, values: Iterator[Any]) -> Any:
    if isinstance(sample, list):
        return [_fill(each, values) for each in sample]
    if isinstance(sample, dict):
        return {name: _fill(each, values) for name, each in sample.items()}
    return next(values)
