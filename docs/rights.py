"""The declared rights as tables of the page about security."""

import re
from collections.abc import Iterable
from dataclasses import replace

from infrastructure.access import ANYONE, IAM_CALLERS, Condition, Right
from infrastructure.operators import OPERATORS, POLICIES
from infrastructure.rights import RIGHTS

_OPERATORS = {
    "StringEquals": "is",
    "StringNotEquals": "is not",
    "ArnLike": "matches",
    "Bool": "is",
    "BoolIfExists": "is",
    "NumericLessThan": "is below",
}
_SPELT = {
    "${AWS::Partition}": "<partition>",
    "${AWS::Region}": "<region>",
    "${AWS::AccountId}": "<account>",
}


def rights_tables(rights: Iterable[Right] = RIGHTS) -> str:
    """What is allowed, then what is refused whatever else allows it, each as a Markdown table."""
    allowed: list[str] = []
    refused: list[str] = []
    for right in rights:
        who = right.who if right.who in (ANYONE, IAM_CALLERS) else _code(right.who)
        (allowed if right.effect == "Allow" else refused).append(_row(who, right))
    return "\n".join(
        [*_head("who", "may do"), *allowed, "", *_head("who", "may never do"), *refused]
    )


def _head(who: str, what: str) -> list[str]:
    return [f"| {who} | {what} | on | only when | why |", "|---|---|---|---|---|"]


def operators_tables() -> str:
    """The policies with their commands, then what each command needs, as Markdown tables."""
    commands: dict[Right, list[str]] = {}
    for right in OPERATORS:
        commands.setdefault(replace(right, who=""), []).append(right.who.removeprefix("sluice "))
    every = {command for names in commands.values() for command in names}
    return "\n".join(
        [
            "| policy | lets its holder run |",
            "|---|---|",
            *(f"| `Operators/{name}` | {_codes(names)} |" for name, names in POLICIES.items()),
            "",
            *_head("command", "needs"),
            *(
                _row("all" if set(names) == every else _codes(names), right)
                for right, names in commands.items()
            ),
        ]
    )


def _row(who: str, right: Right) -> str:
    conditions = [_condition(each) for each in right.conditions]
    if right.holds_when:
        conditions.append(f"the deployment: {right.holds_when}")
    cells = (
        who,
        _codes(right.actions),
        _codes(right.on),
        "; ".join(conditions) or "always",
        f"{right.why} [Source]({right.source})",
    )
    return f"| {' | '.join(cells)} |"


def _condition(condition: Condition) -> str:
    return f"`{condition.key}` {_OPERATORS[condition.operator]} {_codes(condition.values, ' or ')}"


def _codes(values: Iterable[str], separator: str = ", ") -> str:
    return separator.join(_code(value) for value in values)


def _code(text: str) -> str:
    return f"`{_spelt(text)}`"


def _spelt(text: str) -> str:
    """A name as a reader wants it: resources by their path in the stack alone."""
    for name, value in _SPELT.items():
        text = text.replace(name, value)
    return re.sub(r"\$\{([^}]+?)(?:\.Arn)?\}", r"\1", text)
