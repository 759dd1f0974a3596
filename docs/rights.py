"""The declared rights as tables of the page about security."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from docs.markdown import markdown_table
from infrastructure.access import ANYONE, IAM_CALLERS, Condition, Right
from infrastructure.operators import OPERATORS, POLICIES
from infrastructure.rights import RIGHTS

_HEADS = ("on", "only when", "why")
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


def rights_tables(rights: Sequence[Right] = RIGHTS) -> str:
    """Return two Markdown tables: what is allowed, and what is always refused."""
    effects = {"Allow": "may do", "Deny": "may never do"}
    return "\n\n".join(
        markdown_table(
            ("who", what, *_HEADS),
            [
                _row(each.who if each.who in (ANYONE, IAM_CALLERS) else _code(each.who), each)
                for each in rights
                if each.effect == effect
            ],
        )
        for effect, what in effects.items()
    )


def operators_tables() -> str:
    """The policies with their commands, then what each command needs, as Markdown tables."""
    commands: dict[Right, list[str]] = {}
    for right in OPERATORS:
        commands.setdefault(replace(right, who=""), []).append(right.who.removeprefix("sluice "))
    every = {command for names in commands.values() for command in names} - {"init"}
    policies = [(f"`Operators/{name}`", _codes(names)) for name, names in POLICIES.items()]
    needs = [
        _row("all but `init`" if set(names) == every else _codes(names), right)
        for right, names in commands.items()
    ]
    return "\n\n".join(
        [
            markdown_table(("policy", "lets its holder run"), policies),
            markdown_table(("command", "needs", *_HEADS), needs),
        ]
    )


def _row(who: str, right: Right) -> tuple[str, ...]:
    conditions = [_condition(each) for each in right.conditions]
    if right.case.words:
        conditions.append(f"the deployment: {right.case.words}")
    return (
        who,
        _codes(right.actions),
        _codes(right.on),
        "; ".join(conditions) or "always",
        f"{right.why} [Source]({right.source})",
    )


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
