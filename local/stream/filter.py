"""Event patterns: which records of the stream a pipe or a mapping takes.

The operators are those that Pipes and Lambda have
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-event-filtering.html,
https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html); the ones only
EventBridge rules have are refused by name.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from local.stream.consumer import DefinitionError

Predicate = Callable[[Mapping[str, Any]], bool]
"""Whether an event, or an object within it, matches."""

_Leaf = Callable[[Any], bool]
_Operator = Callable[[Any, str], _Leaf]

NUMERIC_MAX = 5_000_000_000
"""Numeric matching works from minus to plus this
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html)."""

DEPTH_MAX = 100
"""Levels of a pattern. No record has as many: an item nests 32 levels deep, each of two objects
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)."""

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

_RULES_ONLY = frozenset({"wildcard", "cidr"})


class FilterError(DefinitionError):
    """A pattern that AWS would refuse; the message names the place and the rule."""


def compile_filters(patterns: Sequence[str]) -> Predicate:
    """Return a predicate that is true when a pattern matches, or when there is no pattern."""
    predicates = [_compile(f"filter {n}", text) for n, text in enumerate(patterns, 1)]
    return lambda event: not predicates or any(predicate(event) for predicate in predicates)


def _compile(name: str, text: str) -> Predicate:
    try:
        pattern = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise FilterError(f"{name} is not JSON: {error}") from None
    except RecursionError:
        raise _too_deep(name) from None
    return _object(pattern, name, 1)


def _too_deep(name: str) -> FilterError:
    return FilterError(f"{name} nests more than {DEPTH_MAX} levels deep, which no record does")


def _object(pattern: object, where: str, depth: int) -> Predicate:
    if not isinstance(pattern, dict) or not pattern:
        raise FilterError(f"{where} must be an object with at least one key")
    if depth > DEPTH_MAX:
        raise _too_deep(where.partition(":")[0])
    parts = [_key(key, rule, f"{where}: {key}", depth) for key, rule in pattern.items()]
    return lambda node: all(part(node) for part in parts)


def _key(key: str, rule: object, where: str, depth: int) -> Predicate:
    if key == "$or":
        return _or(rule, where, depth)
    if isinstance(rule, dict):
        return _nested(key, _object(rule, where, depth + 1))
    if isinstance(rule, list) and rule:
        return _values(key, rule, where)
    raise FilterError(f"{where} must be a list of values with at least one, or an object")


def _or(alternatives: object, where: str, depth: int) -> Predicate:
    if not isinstance(alternatives, list) or len(alternatives) < 2:
        raise FilterError(f"{where} must be a list of at least two patterns")
    parts = [_object(pattern, f"{where}[{n}]", depth + 1) for n, pattern in enumerate(alternatives)]
    return lambda node: any(part(node) for part in parts)


def _nested(key: str, inner: Predicate) -> Predicate:
    def matches(node: Mapping[str, Any]) -> bool:
        objects = [each for each in _elements(node.get(key)) if isinstance(each, dict)]
        # Without an object the fields below are absent, which `exists: false` asks for.
        return any(map(inner, objects or [{}]))

    return matches


def _elements(value: Any) -> Iterator[Any]:
    """Yield a value, or those within an array, at any depth."""
    if isinstance(value, list):
        for element in value:
            yield from _elements(element)
    else:
        yield value


def _values(key: str, rules: list[Any], where: str) -> Predicate:
    if any(isinstance(rule, list) for rule in rules):
        raise FilterError(f"{where} holds a list within a list")
    exact = frozenset(_typed(rule) for rule in rules if not isinstance(rule, dict))
    operators = [_operator(rule, where) for rule in rules if isinstance(rule, dict)]
    absent_matches = any(isinstance(rule, dict) and rule.get("exists") is False for rule in rules)

    def matches(node: Mapping[str, Any]) -> bool:
        elements = _elements(node[key]) if key in node else ()
        leaves = [each for each in elements if not isinstance(each, dict)]
        if not leaves:
            return absent_matches
        return any(
            _typed(leaf) in exact or any(matches_leaf(leaf) for matches_leaf in operators)
            for leaf in leaves
        )

    return matches


def _typed(value: Any) -> tuple[type, Any]:
    """A value that equals those of its own JSON type: 300 is not 300.0, and 1 is not true."""
    return type(value), value


def _operator(rule: dict[str, Any], where: str) -> _Leaf:
    if len(rule) != 1:
        raise FilterError(f"{where} must name one operator, and names {', '.join(rule) or 'none'}")
    name, operand = next(iter(rule.items()))
    if name in _RULES_ONLY:
        raise FilterError(f"{where}: {name} is not available here, only in EventBridge rules")
    if name not in _OPERATORS:
        raise FilterError(f"{where}: {name!r} is not an operator; use {', '.join(_OPERATORS)}")
    return _OPERATORS[name](operand, f"{where}: {name}")


def _text_test(test: Callable[[str, str], bool], *, folded: bool = False) -> _Operator:
    def build(operand: Any, where: str) -> _Leaf:
        if not folded and isinstance(operand, dict) and list(operand) == ["equals-ignore-case"]:
            inner = _text_test(test, folded=True)
            return inner(operand["equals-ignore-case"], f"{where}: equals-ignore-case")
        if not isinstance(operand, str):
            raise FilterError(f"{where} must be text, and is {operand!r}")
        text = operand.lower() if folded else operand
        return lambda leaf: isinstance(leaf, str) and test(leaf.lower() if folded else leaf, text)

    return build


def _anything_but(operand: Any, where: str) -> _Leaf:
    if isinstance(operand, dict):
        raise FilterError(
            f"{where} takes values only; {', '.join(operand) or 'an object'} within it is not "
            "available here, only in EventBridge rules"
        )
    values = operand if isinstance(operand, list) else [operand]
    texts = all(isinstance(value, str) for value in values)
    if not values or not (texts or all(_is_number(value) for value in values)):
        raise FilterError(f"{where} takes texts or numbers, at least one and all of one kind")
    excluded = frozenset(map(_typed, values))
    return lambda leaf: _typed(leaf) not in excluded


def _numeric(operand: Any, where: str) -> _Leaf:
    if not isinstance(operand, list) or len(operand) not in (2, 4):
        raise FilterError(f'{where} must be like [">", 0] or [">=", 0, "<", 10]')
    comparisons = []
    for name, bound in zip(operand[::2], operand[1::2], strict=True):
        if not isinstance(name, str) or name not in _COMPARISONS:
            raise FilterError(f"{where}: {name!r} is not one of {', '.join(_COMPARISONS)}")
        if not _is_number(bound) or abs(bound) > NUMERIC_MAX:
            raise FilterError(f"{where}: {bound!r} must be a number within ±{NUMERIC_MAX}")
        comparisons.append((_COMPARISONS[name], bound))
    if len(operand) == 4 and (operand[0] not in (">", ">=") or operand[2] not in ("<", "<=")):
        raise FilterError(f"{where}: a range is a lower bound (> or >=), then an upper (< or <=)")
    return lambda leaf: (
        _is_number(leaf)
        and abs(leaf) <= NUMERIC_MAX
        and all(compare(leaf, bound) for compare, bound in comparisons)
    )


def _exists(operand: Any, where: str) -> _Leaf:
    if not isinstance(operand, bool):
        raise FilterError(f"{where} must be true or false")
    return lambda _leaf: operand


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_OPERATORS: Mapping[str, _Operator] = {
    "prefix": _text_test(str.startswith),
    "suffix": _text_test(str.endswith),
    "equals-ignore-case": _text_test(operator.eq, folded=True),
    "anything-but": _anything_but,
    "numeric": _numeric,
    "exists": _exists,
}
