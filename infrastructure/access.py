"""A declared right: who may do what, on which resource and conditions, and why."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from infrastructure.settings import DeploymentSettings

ANYONE = "anyone"
IAM_CALLERS = "callers that IAM admits (SigV4)"


class Condition(NamedTuple):
    """A condition on the request."""

    operator: str
    key: str
    values: tuple[str, ...]


class Grant(NamedTuple):
    """One action that one caller is allowed, or refused, on one resource."""

    effect: str
    who: str
    action: str
    on: str
    conditions: frozenset[Condition]


def always(_: DeploymentSettings) -> bool:
    """Whether a row holds that every deployment has."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """A row: one or more actions that somebody is allowed, or refused, and why."""

    who: str
    actions: tuple[str, ...]
    on: tuple[str, ...]
    why: str
    source: str
    """The page that asks for it, or explains it."""
    conditions: tuple[Condition, ...] = ()
    effect: Literal["Allow", "Deny"] = "Allow"
    holds: Callable[[DeploymentSettings], bool] = always
    """Whether a deployment with these settings has it at all."""
    holds_when: str = ""
    """The same in words; nothing when it always does."""

    def grants(self, settings: DeploymentSettings) -> Iterator[Grant]:
        """Return the grants of the row in one deployment."""
        if not self.holds(settings):
            return
        conditions = frozenset(
            each._replace(values=tuple(sorted(named(value, settings) for value in each.values)))
            for each in self.conditions
        )
        for action in self.actions:
            for resource in self.on:
                yield Grant(self.effect, self.who, action, named(resource, settings), conditions)


def right(
    who: str,
    *actions: str,
    on: str | tuple[str, ...],
    why: str,
    source: str,
    when: Condition | tuple[Condition, ...] = (),
    effect: Literal["Allow", "Deny"] = "Allow",
    holds: Callable[[DeploymentSettings], bool] = always,
    holds_when: str = "",
) -> Right:
    """Return a row; one resource or condition needs no tuple."""
    return Right(
        who=who,
        actions=actions,
        on=(on,) if isinstance(on, str) else on,
        why=why,
        source=source,
        conditions=(when,) if isinstance(when, Condition) else when,
        effect=effect,
        holds=holds,
        holds_when=holds_when,
    )


def only(
    holds: Callable[[DeploymentSettings], bool], holds_when: str, *rights: Right
) -> tuple[Right, ...]:
    """Return rows that hold only in these deployments, besides what each asks for itself."""

    def both(right: Right) -> Right:
        return replace(
            right,
            holds=lambda settings: holds(settings) and right.holds(settings),
            holds_when="; ".join(filter(None, (holds_when, right.holds_when))),
        )

    return tuple(map(both, rights))


def granted(rights: Iterable[Right], settings: DeploymentSettings) -> set[Grant]:
    """Everything that these rights allow or refuse in a deployment with these settings."""
    return {grant for right in rights for grant in right.grants(settings)}


def named(text: str, settings: DeploymentSettings) -> str:
    """Return a resource or value with the names filled in that differ between deployments."""
    table = settings.existing_table
    names = {
        "<stack>": settings.stack_name,
        "<database>": "${Catalog/Database}",
        "<raw changes>": f"${{Catalog/{'Raw' if settings.compacts else ''}Changes}}",
        "<table>": "${Records/Table.Arn}" if table is None else table.arn,
        "<stream>": "${Records/Table.StreamArn}" if table is None else table.stream_arn,
        "<table key>": "${Encryption/Key.Arn}" if table is None else str(table.key_arn),
    }
    for name, value in names.items():
        text = text.replace(name, value)
    return text
