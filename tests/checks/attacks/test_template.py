import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.attacks.samples import MARK
from checks.attacks.template import Renderer, attack, seeds
from local.pipe.definition import PipeDefinition
from local.pipe.template import Template, TransformationFailed

PATHS = st.sampled_from(
    ["<$.a>", '"<$.a>"', "<$.a.b[0]>", "<$.c>", "<aws.pipes.event>", "<aws.pipes.pipe-name>", "<$"]
)
TEMPLATES = st.recursive(
    PATHS | st.text(max_size=4).map(json.dumps),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]")
        | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3).map(
            lambda parts: "{" + ", ".join(f'"{name}": {part}' for name, part in parts.items()) + "}"
        )
    ),
    max_leaves=6,
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)
EVENTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


@settings(max_examples=300, deadline=None)
@given(TEMPLATES | st.text(max_size=30), EVENTS)
def test_the_renderer_raises_nothing_but_its_own(template: str, event: dict[str, Any]) -> None:
    head = template.replace("\0", "").encode(errors="ignore")
    attack(b"\0" + head + b"\0" + json.dumps(event).encode())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=120))
def test_a_template_of_unquoted_paths_gives_what_stands_there(data: bytes) -> None:
    attack(b"\x01" + data)


def attack_all(compiled: Callable[[PipeDefinition], Renderer]) -> None:
    composed = (b"\x01" + bytes([n, 2, 2, *range(n, 120)]) for n in range(120))
    for data in (*seeds(), *composed):
        attack(data, compiled)


def test_each_seed_can_be_tried() -> None:
    attack_all(Template)


class Broken:
    """A renderer with a fault, on top of the real one."""

    def __init__(self, fault: Callable[[bytes], bytes], definition: PipeDefinition) -> None:
        self._fault = fault
        self._template = Template(definition)

    def render(self, event: Mapping[str, Any], ingested_at: float) -> bytes:
        return self._fault(self._template.render(event, ingested_at))


def tell(_payload: bytes) -> bytes:
    raise TransformationFailed(MARK)


def crash(_payload: bytes) -> bytes:
    raise KeyError("no own error")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (lambda payload: payload.replace(b'""', b"null"), "each path gives what stands there"),
        (lambda payload: payload.replace(b"[", b'["x", '), "each path gives what stands there"),
        (tell, "a refusal tells no value"),
        (crash, "no own error"),
    ],
    ids=["null for a missing path", "one more value", "tells a value", "another error"],
)
def test_a_fault_in_the_renderer_is_found(fault: Callable[[bytes], bytes], error: str) -> None:
    def compiled(definition: PipeDefinition) -> Renderer:
        return Broken(fault, definition)

    with pytest.raises((AssertionError, KeyError, ValueError), match=error):
        attack_all(compiled)


def test_a_refusal_of_what_aws_documents_is_found() -> None:
    def refuse(_payload: bytes) -> bytes:
        raise TransformationFailed("not guessed")

    with pytest.raises(AssertionError, match="what AWS documents is not refused"):
        attack_all(lambda definition: Broken(refuse, definition))
