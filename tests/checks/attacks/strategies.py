"""Inputs that several properties draw: texts, JSON values, stream records, bytes of a language.

The first branch of each choice is the simplest, because an input whose bytes have run out goes on
with zeros.
"""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from tests.checks.attacks.samples import EVENTS, MARK

NESTING_MAX = 90
"""More than the 32 levels of an item in DynamoDB, from which the records come."""

NUMBERS = (0, 1, -1, 300, 5_000_000_000, 2**53 + 1, 2**64, 0.5, 1e300, -0.0)
WORDS = ("", "a", "b", "ab", "A", "S", "N", '"', "\\", "é", "\U0001f600", "/", "%", "\n", "\u0000")
SCALARS = (None, True, False, *NUMBERS, *WORDS)

TEXTS = st.sampled_from(WORDS) | st.text(max_size=8)
_LEAVES = (
    st.sampled_from((*SCALARS, MARK, "\ud800", '"\\'))
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
)


def objects(names: Sequence[str], depth: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects with members of these names, up to a depth or very deep."""
    members = st.tuples(st.sampled_from(names), values(names, depth))
    return st.lists(members, max_size=4).map(dict)


def values(names: Sequence[str], depth: int = 2) -> st.SearchStrategy[Any]:
    """JSON values whose objects have members of these names, up to a depth or very deep."""
    if not depth:
        return _LEAVES | st.builds(_nest, st.just(names[0]), _LEAVES, st.integers(0, NESTING_MAX))
    return _LEAVES | st.lists(values(names, depth - 1), max_size=3) | objects(names, depth - 1)


def records(names: Sequence[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Stream records, and objects with members of these names."""
    return st.sampled_from(EVENTS) | objects(names)


def spelt(tokens: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Tokens of a language between any other bytes."""
    return st.lists(st.sampled_from(tokens) | st.binary(max_size=8), max_size=24).map(b"".join)


def spliced(texts: st.SearchStrategy[bytes], tokens: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Texts with a token or other bytes in place of a few of theirs."""
    return st.builds(
        _splice,
        texts,
        st.integers(0, 1023),
        st.integers(0, 15),
        st.sampled_from(tokens) | st.binary(max_size=4),
    )


def pairs(
    names: st.SearchStrategy[str], members: st.SearchStrategy[Any]
) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with one member."""
    return st.tuples(names, members).map(lambda pair: dict([pair]))


def _splice(text: bytes, start: int, cut: int, inserted: bytes) -> bytes:
    start %= len(text) + 1
    return text[:start] + inserted + text[start + cut :]


def _nest(name: str, value: Any, depth: int) -> Any:
    for level in range(depth):
        value = {name: value} if level % 2 else [value]
    return value
