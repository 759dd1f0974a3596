"""The local pipe's template renderer.

Promise: a template is taken or refused with TemplateError; a record is rendered or refused with
TransformationFailed, whose message repeats none of its values. Paths outside of quotes give JSON
again, with what stands there, or "" where nothing does, under every key of the template.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.change import INPUT_TEMPLATE
from local.pipe.definition import TEMPLATE_LENGTH_MAX, PipeDefinition
from local.pipe.template import Template, TemplateError
from sluice.errors import TransformationFailed
from tests.checks.attacks.running import SUITE, search
from tests.checks.attacks.samples import MARK, pipe
from tests.checks.attacks.strategies import objects, records, spelt, spliced

INGESTED_AT = 1700076552.25


class Renderer(Protocol):
    """A compiled template."""

    def render(self, event: Mapping[str, Any], ingested_at: float) -> bytes:
        """Return the payload of a record."""


NAMES = ("dynamodb", "NewImage", "id", "S", "a", "b", "a-b", "0")
TOKENS = (
    *(b"<$.dynamodb>", b"<$.eventID>", b"<$.missing>", b"<$.a[0].b>", b"<$", b">", b"[0]", b"*"),
    *(b"<aws.pipes.pipe-arn>", b"<aws.pipes.event.json>", b"<aws.pipes.event>", b'"<$.a>"'),
    *(b"<aws.pipes.event.ingestion-time>", b"<aws.pipes.enrichment-arn>", b"<$.dynamodb.NewImage>"),
    *(b"<$.dynamodb.NewImage.name.S>", b'"a": ', b'\\"', b'"', b"\\ud800", b"null", b"1e999"),
    *(b"{", b"}", b"[", b"]", b", ", b"[[[[[[[["),
)
KNOWN = (
    "<$.dynamodb.NewImage>",
    INPUT_TEMPLATE,
    '{"a": "<$.eventName> of <$.dynamodb.Keys.id.S>", "b": <$.dynamodb.NewImage.name.S>}',
    '[<$.missing>, <aws.pipes.event.ingestion-time>, {"e": <aws.pipes.event.json>}]',
)
WRITTEN = st.sampled_from(KNOWN).map(str.encode)
ANY = (WRITTEN | spliced(WRITTEN, TOKENS) | spelt(TOKENS)).map(
    lambda text: text.decode(errors="surrogateescape")[:TEMPLATE_LENGTH_MAX]
)

Path = tuple[str | int, ...]
_MISSING = object()


def trees(depth: int = 3) -> st.SearchStrategy[Any]:
    """Templates as objects and arrays whose leaves are paths, each a tuple of its steps."""
    steps = st.sampled_from((*NAMES, 0, 1))
    paths: st.SearchStrategy[Any] = st.lists(steps, min_size=1, max_size=4).map(tuple)
    if not depth:
        return paths
    inner = st.lists(trees(depth - 1), max_size=3)
    return paths | inner | inner.map(lambda parts: dict(zip("012", parts, strict=False)))


def properties(compiled: Callable[[PipeDefinition], Renderer] = Template) -> tuple[Any, ...]:
    """The promise. `compiled` makes the renderer under attack."""

    def rendered(template: str, record: Mapping[str, Any]) -> bytes | None:
        """Return the payload; None where the template or the record is refused."""
        try:
            return compiled(pipe(template)).render(record, INGESTED_AT)
        except TemplateError:
            return None
        except TransformationFailed as refused:
            message = str(refused)
        assert MARK in template or MARK not in message, "a refusal repeats no value"
        return None

    @given(ANY, records(NAMES))
    def any_template(template: str, record: dict[str, Any]) -> None:
        rendered(template, record)

    @given(trees(), objects(NAMES))
    def template_of_paths(tree: Any, record: dict[str, Any]) -> None:
        payload = rendered(_text(tree), record)
        values = [_value(record, path) for path in _paths(tree)]
        if not _encodes(values):
            return
        undocumented = any(_is_undocumented(value) for value in values)
        if payload is None:
            alone = isinstance(tree, tuple) and values == [_MISSING]
            assert undocumented or alone, "what AWS documents is taken"
            return
        assert not undocumented, "what AWS does not document is refused"
        # As text: 1, 1.0 and true are equal as Python's values, and NaN equals nothing.
        filled = json.dumps(_filled(tree, record))
        assert json.dumps(json.loads(payload)) == filled, "each path gives what stands there"

    return template_of_paths, any_template


def _text(tree: Any) -> str:
    match tree:
        case list():
            return f"[{', '.join(map(_text, tree))}]"
        case dict():
            members = (f'"{name}": {_text(part)}' for name, part in tree.items())
            return "{" + ", ".join(members) + "}"
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in tree)
    return f"<${''.join(steps)}>"


def _paths(tree: Any) -> list[Path]:
    if isinstance(tree, tuple):
        return [tree]
    parts = tree.values() if isinstance(tree, dict) else tree
    return [path for part in parts for path in _paths(part)]


def _filled(tree: Any, record: Any) -> Any:
    match tree:
        case list():
            return [_filled(part, record) for part in tree]
        case dict():
            return {name: _filled(part, record) for name, part in tree.items()}
    value = _value(record, tree)
    return "" if value is _MISSING else value


def _value(node: Any, path: Path) -> Any:
    for step in path:
        if isinstance(node, str):
            return _MISSING
        try:
            node = node[step]
        except (LookupError, TypeError):
            return _MISSING
    return node


def _is_undocumented(value: Any) -> bool:
    return value is None or (
        isinstance(value, str) and json.dumps(value, ensure_ascii=False) != f'"{value}"'
    )


def _encodes(values: list[Any]) -> bool:
    """Whether JSON has such values: it has no infinity, and UTF-8 no lone surrogate."""
    try:
        written = [value for value in values if value is not _MISSING]
        json.dumps(written, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return False
    return True


test_each_path_gives_what_stands_there, test_any_text_is_a_template_or_refused = map(
    SUITE, properties()
)


class Broken:
    """A renderer with a fault, on top of the real one."""

    def __init__(self, fault: Callable[[bytes], bytes], definition: PipeDefinition) -> None:
        self._fault = fault
        self._template = Template(definition)

    def render(self, event: Mapping[str, Any], ingested_at: float) -> bytes:
        return self._fault(self._template.render(event, ingested_at))


def quote(_payload: bytes) -> bytes:
    raise TransformationFailed(MARK)


def crash(_payload: bytes) -> bytes:
    raise KeyError("no own error")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (lambda payload: payload.replace(b'""', b"null"), "each path gives what stands there"),
        (lambda payload: payload.replace(b"[]", b'["x"]'), "each path gives what stands there"),
        (quote, "a refusal repeats no value"),
        (crash, "no own error"),
    ],
    ids=["null for a missing path", "one more value", "a value in a refusal", "another error"],
)
def test_a_fault_in_the_renderer_is_found(fault: Callable[[bytes], bytes], error: str) -> None:
    with pytest.raises((AssertionError, KeyError, ValueError), match=error):
        search(properties(lambda definition: Broken(fault, definition)))


def test_a_refusal_of_what_aws_documents_is_found() -> None:
    def refuse(_payload: bytes) -> bytes:
        raise TransformationFailed("not guessed")

    with pytest.raises(AssertionError, match="what AWS documents is taken"):
        search(properties(lambda definition: Broken(refuse, definition)))
