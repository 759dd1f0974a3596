"""A declared right: who may do what, on which resource and conditions, and why."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from infrastructure.settings import DeploymentSettings

DOCS = "https://docs.aws.amazon.com/"
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


class Case(NamedTuple):
    """The deployments that have a row: by a rule, and the same in words."""

    rule: Callable[[DeploymentSettings], bool]
    words: str

    def __and__(self, other: "Case") -> "Case":
        return Case(
            lambda settings: self.rule(settings) and other.rule(settings),
            "; ".join(filter(None, (self.words, other.words))),
        )


ALWAYS = Case(lambda _: True, "")
"""Every deployment has such a row."""


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
    case: Case = ALWAYS

    def holds(self, settings: DeploymentSettings) -> bool:
        """Return whether a deployment with these settings has the row at all."""
        return self.case.rule(settings)

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


_PAGES = {
    "athena": "amazonathena",
    "cloudformation": "awscloudformation",
    "cloudwatch": "amazoncloudwatch",
    "dynamodb": "amazondynamodb",
    "firehose": "amazonkinesisfirehose",
    "glue": "awsglue",
    "lambda": "awslambda",
    "logs": "amazoncloudwatchlogs",
    "pipes": "amazoneventbridgepipes",
    "s3": "amazons3",
    "sqs": "amazonsqs",
}
"""The services by their pages of the authorization reference."""


def right(
    who: str,
    actions: str,
    *,
    on: str | tuple[str, ...],
    why: str,
    source: str = "",
    when: Condition | tuple[Condition, ...] = (),
    effect: Literal["Allow", "Deny"] = "Allow",
    case: Case = ALWAYS,
) -> Right:
    """Return a row; one text names its actions, and one resource or condition needs no tuple.

    The source is the service's page of the authorization reference, unless another is given.
    """
    if not source:
        page = _PAGES[actions.partition(":")[0]]
        source = f"{DOCS}service-authorization/latest/reference/list_{page}.html"
    return Right(
        who=who,
        actions=tuple(actions.split()),
        on=(on,) if isinstance(on, str) else on,
        why=why,
        source=source,
        conditions=(when,) if isinstance(when, Condition) else when,
        effect=effect,
        case=case,
    )


def only(case: Case, *rights: Right) -> tuple[Right, ...]:
    """Return rows that hold only in these deployments, besides what each asks for itself."""
    return tuple(replace(each, case=case & each.case) for each in rights)


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
