import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.attacks.filter import attack, seeds
from local.pipe.filter import FilterError, compile_filters

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text("aAb", max_size=2)
RULES = SCALARS | st.sampled_from(
    [
        {"prefix": "a"},
        {"suffix": {"equals-ignore-case": "A"}},
        {"equals-ignore-case": "AB"},
        {"anything-but": ["a", "b"]},
        {"anything-but": 1},
        {"numeric": [">", 0, "<=", 2]},
        {"exists": True},
        {"exists": False},
        {"wildcard": "*"},
        {},
    ]
)
NAMES = st.sampled_from(["a", "b", "$or"])
PATTERNS = st.recursive(
    st.dictionaries(NAMES, st.lists(RULES, max_size=3), min_size=1, max_size=2),
    lambda inner: st.dictionaries(
        NAMES, inner | st.lists(inner, min_size=2, max_size=3), min_size=1, max_size=2
    ),
    max_leaves=5,
)
EVENTS = st.dictionaries(
    st.sampled_from("ab"),
    st.recursive(
        SCALARS,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
        ),
        max_leaves=6,
    ),
    max_size=2,
)


@settings(max_examples=300, deadline=None)
@given(PATTERNS, EVENTS)
def test_a_pattern_matches_as_it_is_documented(
    pattern: dict[str, Any], event: dict[str, Any]
) -> None:
    attack(b"\0" + json.dumps(pattern).encode() + b"\0" + json.dumps(event).encode())


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([b"\0", b"\x01"]), st.binary(max_size=100))
def test_the_matcher_raises_nothing_but_its_own(form: bytes, data: bytes) -> None:
    attack(form + data)


def attack_all(compiled: Callable[[Sequence[str]], "Matches"]) -> None:
    pattern = b'{"dynamodb": {"b": [{"exists": false}]}}'
    further = [b"\0" + pattern + b'\0{"dynamodb": {"b": 1}}', b"\0" + pattern + b"\0{}"]
    composed = [b"\x01\x01" + bytes([0, n, 0, 0, n % 8, *range(n, n + 40)]) for n in range(200)]
    for data in (*seeds(), *further, *composed):
        attack(data, compiled)


Matches = Callable[[Mapping[str, Any]], bool]


def reversed_filters(patterns: Sequence[str]) -> Matches:
    matches = compile_filters(patterns)
    return lambda event: not matches(event)


def without_case(patterns: Sequence[str]) -> Matches:
    return compile_filters([pattern.replace("INSERT", "insert") for pattern in patterns])


def never_or(patterns: Sequence[str]) -> Matches:
    matches = compile_filters(patterns)
    return lambda event: "$or" not in patterns[0] and matches(event)


def absent_is_present(patterns: Sequence[str]) -> Matches:
    return compile_filters([pattern.replace("false", "true") for pattern in patterns])


def crashing(patterns: Sequence[str]) -> Matches:
    matches = compile_filters(patterns)
    return lambda event: event["dynamodb"] and matches(event)


def refusing(patterns: Sequence[str]) -> Matches:
    if "numeric" in patterns[0]:
        raise FilterError("not today")
    return compile_filters(patterns)


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (reversed_filters, "as it is documented"),
        (without_case, "as it is documented"),
        (never_or, "as it is documented|takes no match away"),
        (absent_is_present, "as it is documented"),
        (crashing, "dynamodb"),
        (refusing, "a good pattern is not refused"),
    ],
)
def test_a_fault_in_the_matcher_is_found(
    broken: Callable[[Sequence[str]], Matches], error: str
) -> None:
    with pytest.raises((AssertionError, KeyError), match=error):
        attack_all(broken)


def test_each_seed_can_be_tried() -> None:
    attack_all(compile_filters)
