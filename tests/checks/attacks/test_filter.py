"""The local pipe's event patterns.

Promise: a pattern is taken or refused with FilterError; what is taken matches any record or does
not, and never raises. Matching agrees with a second reading of the documentation, written here as a
search for one leaf that one rule takes, and adding an alternative never takes a match away.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.stream.consumer import FILTER_LENGTH_MAX
from local.stream.filter import NUMERIC_MAX, FilterError, compile_filters
from tests.checks.attacks.running import SUITE, search
from tests.checks.attacks.strategies import (
    NUMBERS,
    SCALARS,
    TEXTS,
    WORDS,
    objects,
    pairs,
    records,
    spelt,
    spliced,
    values,
)

Matches = Callable[[Mapping[str, Any]], bool]
Compile = Callable[[Sequence[str]], Matches]

NAMES = ("a", "b", "c")
OPERATORS = ("prefix", "suffix", "equals-ignore-case", "anything-but", "numeric", "exists")
TOKENS = (
    *(b'{"prefix":"', b'{"suffix":"', b'{"equals-ignore-case":"', b'{"anything-but":[', b"null"),
    *(b'{"numeric":[">",0,"<=",', b'{"exists":false}', b'{"exists":true}', b'{"$or":[', b'""'),
    *(b'{"eventName":', b'{"dynamodb":', b'{"NewImage":', b'["INSERT"]', b"\\ud800", b"1e999"),
    *(b'{"a":' * 20, b'{"a":["a"', b"[[[[[[[[", b"]", b"}", b"]}", b",", b"-0.0", b"300.0"),
)

_AFFIXES = (*WORDS, *({"equals-ignore-case": word} for word in WORDS))
RULES: tuple[Any, ...] = (
    *SCALARS,
    *({operator: affix} for operator in ("prefix", "suffix") for affix in _AFFIXES),
    *({"equals-ignore-case": word} for word in WORDS),
    *({"anything-but": list(each)} for each in (*pairwise(WORDS), *pairwise(NUMBERS))),
    *(
        {"numeric": [operator, bound]}
        for operator in ("=", "<", "<=", ">", ">=")
        for bound in (0, 1)
    ),
    *(
        {"numeric": [lower, low, upper, high]}
        for lower, upper in product((">", ">="), ("<", "<="))
        for low, high in product(range(4), repeat=2)
    ),
    *({"exists": True}, {"exists": False}) * 16,
)
KNOWN: tuple[dict[str, Any], ...] = (
    {"eventName": ["INSERT", "MODIFY"]},
    {"dynamodb": {"NewImage": {"id": {"S": [{"prefix": "1"}, {"exists": False}]}}}},
    {"userIdentity": {"type": ["Service"], "principalId": [{"suffix": ".com"}]}},
    {"$or": [{"eventName": [{"anything-but": "REMOVE"}]}, {"awsRegion": [""]}]},
    {"dynamodb": {"SizeBytes": [{"numeric": [">", 0, "<=", 26.5]}, None]}},
    {"awsRegion": [{"equals-ignore-case": "x"}, {"suffix": {"equals-ignore-case": "E"}}]},
)


_TEXT_RULES = TEXTS | pairs(st.sampled_from(OPERATORS[:3]), TEXTS)


def patterns(depth: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    """Patterns that AWS documents."""
    keys = st.sampled_from(NAMES)
    parts: st.SearchStrategy[Any] = st.tuples(
        keys, st.lists(st.sampled_from(RULES) | _TEXT_RULES, min_size=1, max_size=2)
    )
    if depth:
        inner = patterns(depth - 1)
        alternatives = st.lists(inner, min_size=2, max_size=3)
        parts = parts | parts | st.tuples(keys, inner) | st.tuples(st.just("$or"), alternatives)
    return st.lists(parts, min_size=1, max_size=2).map(dict)


GOOD = patterns() | st.sampled_from(KNOWN)
WRITTEN = GOOD.map(lambda pattern: json.dumps(pattern).encode())
ANY = objects((*NAMES, "$or", *OPERATORS, "wildcard", "cidr")).map(json.dumps) | (
    WRITTEN | spliced(WRITTEN, TOKENS) | spelt(TOKENS)
).map(lambda text: text.decode(errors="surrogateescape")[:FILTER_LENGTH_MAX])


def properties(compiled: Compile = compile_filters) -> tuple[Any, ...]:
    """The promise. `compiled` makes the matcher under attack."""

    @given(st.sampled_from(RULES) | _TEXT_RULES, values(NAMES, 0))
    def one_rule(rule: Any, leaf: Any) -> None:
        pattern, record = {"a": [rule]}, {"a": leaf}
        matches = compiled([json.dumps(pattern)])(record)
        assert matches == _holds(pattern, record), "a pattern matches as it is documented"

    @given(GOOD, patterns(1), records(NAMES))
    def good_pattern(
        pattern: dict[str, Any], other: dict[str, Any], record: dict[str, Any]
    ) -> None:
        matches = compiled([json.dumps(pattern)])(record)
        assert matches == _holds(pattern, record), "a pattern matches as it is documented"
        either = compiled([json.dumps({"$or": [pattern, other]})])
        assert either(record) >= matches, "an alternative takes no match away"

    @given(ANY, records(NAMES))
    def any_pattern(text: str, record: dict[str, Any]) -> None:
        try:
            matches = compiled([text])
        except FilterError:
            return
        assert matches(record) == _holds(json.loads(text), record), (
            "a pattern matches as it is documented"
        )

    return one_rule, good_pattern, any_pattern


def _holds(pattern: Mapping[str, Any], node: Mapping[str, Any]) -> bool:
    """Whether an object matches: one leaf for each key, that one of its rules takes."""
    for key, rule in pattern.items():
        if key == "$or":
            if not any(_holds(each, node) for each in rule):
                return False
        elif isinstance(rule, dict):
            inner = [each for each in _flat(node.get(key)) if isinstance(each, dict)]
            if not any(_holds(rule, each) for each in inner or [{}]):
                return False
        else:
            leaves = [e for e in _flat(node.get(key, [])) if not isinstance(e, dict)]
            if not (
                any(_takes(each, leaf) for each in rule for leaf in leaves)
                if leaves
                else {"exists": False} in [each for each in rule if isinstance(each, dict)]
            ):
                return False
    return True


def _flat(value: Any) -> list[Any]:
    """A value, or the elements of an array at any depth."""
    return [leaf for each in value for leaf in _flat(each)] if isinstance(value, list) else [value]


def _takes(rule: Any, leaf: Any) -> Any:
    """Whether a rule takes a leaf."""
    if not isinstance(rule, dict):
        return _same(rule, leaf)
    ((operator, operand),) = rule.items()
    if operator == "exists":
        return bool(operand)
    if operator == "anything-but":
        excluded = operand if isinstance(operand, list) else [operand]
        return not any(_same(each, leaf) for each in excluded)
    if operator == "numeric":
        if isinstance(leaf, bool) or not isinstance(leaf, int | float) or abs(leaf) > NUMERIC_MAX:
            return False
        return all(
            (name.startswith(">") and leaf > bound)
            or (name.startswith("<") and leaf < bound)
            or (name.endswith("=") and leaf == bound)
            for name, bound in zip(operand[::2], operand[1::2], strict=True)
        )
    if not isinstance(leaf, str):
        return False
    if isinstance(operand, dict):
        operand, leaf = operand["equals-ignore-case"].lower(), leaf.lower()
    match operator:
        case "prefix":
            return leaf[: len(operand)] == operand
        case "suffix":
            return leaf[len(leaf) - len(operand) :] == operand if operand else True
    return leaf.lower() == str(operand).lower()


def _same(one: Any, other: Any) -> bool:
    """Equal, and of one JSON type: 300 is not 300.0, and true is not 1."""
    return type(one) is type(other) and bool(one == other)


one_rule, good_pattern, any_pattern = properties()
test_a_rule_takes_a_leaf_as_documented = SUITE(one_rule)
test_a_good_pattern_matches_as_documented = SUITE(good_pattern)
test_any_text_is_a_pattern_or_refused = SUITE(any_pattern)


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
        (refusing, "not today"),
    ],
)
def test_a_fault_in_the_matcher_is_found(broken: Compile, error: str) -> None:
    with pytest.raises((AssertionError, KeyError, FilterError), match=error):
        search(properties(broken))
