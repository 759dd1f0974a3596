"""The local pipe's event patterns.

Promise: a pattern is taken or refused with FilterError; what is taken matches any record or does
not, and never raises. Matching agrees with a second reading of the documentation, written here as a
search for one leaf that one rule takes, and adding an alternative never takes a match away.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from checks.attacks.choices import NUMBERS, TEXTS, Choices
from checks.attacks.promise import expect
from checks.attacks.samples import EVENTS
from local.pipe.definition import FILTER_LENGTH_MAX
from local.pipe.filter import NUMERIC_MAX, FilterError, compile_filters

Compile = Callable[[Sequence[str]], Callable[[Mapping[str, Any]], bool]]

TOKENS = (
    *(b'{"prefix":"', b'{"suffix":"', b'{"equals-ignore-case":"', b'{"anything-but":[', b"null"),
    *(b'{"numeric":[">",0,"<=",', b'{"exists":false}', b'{"exists":true}', b'{"$or":[', b'""'),
    *(b"eventName", b"dynamodb", b"NewImage", b'["INSERT"]', b"\\ud800", b"1e999", b"[[[[[[[["),
    *(b'{"a":' * 20, b"\0", b"-0.0", b"5000000001", b"300.0"),
)

_NAMES = ("a", "b", "c")
_OPERATORS = ("prefix", "suffix", "equals-ignore-case", "anything-but", "numeric", "exists")
_WORDS = (*_NAMES, "$or", *_OPERATORS, "wildcard", "cidr")
_AFFIXES = ("prefix", "suffix")
_LOWER = (">", ">=")
_UPPER = ("<", "<=")


def seeds() -> Iterator[bytes]:
    """Patterns with records, and decisions to compose others."""
    patterns = (
        '{"eventName": ["INSERT", "MODIFY"]}',
        '{"dynamodb": {"NewImage": {"id": {"S": [{"prefix": "1"}, {"exists": false}]}}}}',
        '{"userIdentity": {"type": ["Service"], "principalId": [{"suffix": ".com"}]}}',
        '{"$or": [{"eventName": [{"anything-but": "REMOVE"}]}, {"awsRegion": [""]}]}',
        '{"dynamodb": {"SizeBytes": [{"numeric": [">", 0, "<=", 26.5]}, null]}}',
        '{"awsRegion": [{"equals-ignore-case": "x"}, {"suffix": {"equals-ignore-case": "E"}}]}',
    )
    for pattern in patterns:
        for event in EVENTS[:3]:
            yield b"\0" + pattern.encode() + b"\0" + json.dumps(event).encode()
    for start in range(0, 240, 40):
        yield b"\x01" + bytes(range(start, start + 40)) * 2


def attack(data: bytes, compiled: Compile = compile_filters) -> None:
    """Match one record with one pattern. `compiled` makes the matcher under attack."""
    if data[:1] == b"\x01":
        _composed(Choices(data[1:]), compiled)
        return
    head, _, record = data[1:].partition(b"\0")
    text = head.decode(errors="surrogateescape")[:FILTER_LENGTH_MAX]
    try:
        read = json.loads(record)
    except (ValueError, RecursionError):
        read = {}
    event = read if isinstance(read, dict) else {"a": read}
    try:
        matches = compiled([text])
    except FilterError:
        return
    # The pipe reads records from DynamoDB, whose items nest at most 32 levels deep.
    if record.count(b"{") <= 100 and record.count(b"[") <= 100:
        expect(
            matches(event) == _holds(json.loads(text), event),
            "a pattern matches as it is documented",
        )


def _composed(choices: Choices, compiled: Compile) -> None:
    """A good pattern, or anything made of its words, over any record."""
    good = choices.below(4) > 0
    pattern = _pattern(choices, 3) if good else choices.members(_WORDS, 4)
    event = choices.members(_NAMES, 3)
    try:
        matches = compiled([json.dumps(pattern)])
    except FilterError:
        expect(not good, "a good pattern is not refused")
        return
    expect(matches(event) == _holds(pattern, event), "a pattern matches as it is documented")
    other = {"$or": [pattern, _pattern(choices, 2)]}
    expect(
        compiled([json.dumps(other)])(event) >= matches(event),
        "an alternative takes no match away",
    )


def _pattern(choices: Choices, depth: int) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    for _ in range(1 + choices.below(2)):
        match choices.below(6) if depth else 0:
            case 4:
                parts[choices.pick(_NAMES)] = _pattern(choices, depth - 1)
            case 5:
                parts["$or"] = [_pattern(choices, depth - 1) for _ in range(2 + choices.below(2))]
            case _:
                parts[choices.pick(_NAMES)] = [_rule(choices) for _ in range(1 + choices.below(2))]
    return parts


def _rule(choices: Choices) -> Any:
    match choices.below(8):
        case 0:
            return choices.pick((None, True, False, "", *NUMBERS))
        case 1:
            affix = choices.text()
            folded = choices.flag()
            return {choices.pick(_AFFIXES): {"equals-ignore-case": affix} if folded else affix}
        case 2:
            return {"equals-ignore-case": choices.text()}
        case 3:
            values = choices.pick((TEXTS, NUMBERS))
            return {"anything-but": [choices.pick(values) for _ in range(1 + choices.below(3))]}
        case 4:
            return {"exists": choices.flag()}
        case 5:
            low, high = choices.below(8), choices.below(8)
            return {"numeric": [choices.pick(_LOWER), low, choices.pick(_UPPER), high]}
        case 6:
            return {"numeric": [choices.pick(("=", *_LOWER, *_UPPER)), choices.below(3)]}
    return choices.text()


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
