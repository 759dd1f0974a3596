"""The one table of what the commands of `sluice` need, and the managed policies that grant it.

A command's rights are rows like those of the roles in `rights`, with the command in the place of
the caller. A policy lets its holder run a few commands, and grants only their rows.
"""

from collections.abc import Mapping
from dataclasses import replace

from aws_cdk import aws_iam as iam
from constructs import Construct

from infrastructure.access import right
from infrastructure.acknowledgments import acknowledge_wildcards
from infrastructure.grants import statements
from infrastructure.operators.feeding import FUNCTION, PIPE
from infrastructure.operators.following import FOLLOWING
from infrastructure.operators.running import RUNNING
from infrastructure.operators.storing import STORING
from infrastructure.settings import DeploymentSettings
from infrastructure.terms import arn

POLICIES: Mapping[str, tuple[str, ...]] = {
    "Read": ("status", "tree", "sample", "failed", "logs", "query", "verify", "plan", "init"),
    "Repair": ("replay", "redrive"),
    "Write": ("seed", "backfill"),
    "Probe": ("probe",),
    "Compact": ("compact",),
    "Erase": ("erase",),
}
"""The managed policies by their names in the stack, each with the commands it is for."""

_OF_A_STACK = " ".join(
    command for commands in POLICIES.values() for command in commands if command != "init"
)

OPERATORS = tuple(
    replace(row, who=f"sluice {command}")
    for row in (
        right(
            _OF_A_STACK,
            "cloudformation:DescribeStacks",
            on=arn("cloudformation", "stack/<stack>/*"),
            why="A command finds the parts of the stack by its outputs.",
        ),
        *PIPE,
        *FUNCTION,
        *FOLLOWING,
        *STORING,
        *RUNNING,
    )
    for command in row.who.split()
)
"""The table. A row of one of the parts names all the commands that have the right."""


def _policy(name: str) -> str:
    return f"${{Operators/{name}.Arn}}"


POLICY_RIGHTS = tuple(
    dict.fromkeys(
        replace(row, who=_policy(name))
        for name, commands in POLICIES.items()
        for row in OPERATORS
        if row.who.removeprefix("sluice ") in commands
    )
)
"""The same rights with the policies in the place of the commands."""


class Operators(Construct):
    """The managed policies, attached to nobody."""

    def __init__(self, scope: Construct, id: str, *, settings: DeploymentSettings) -> None:
        super().__init__(scope, id)
        for name, commands in POLICIES.items():
            rights = statements(self, _policy(name), settings, POLICY_RIGHTS)
            policy = iam.ManagedPolicy(
                self,
                name,
                description=f"sluice {', '.join(commands)} of {settings.stack_name}.",
                # AWS limits a policy's length, so what differs in one part shares a statement.
                document=iam.PolicyDocument(statements=rights, minimize=True),
            )
            acknowledge_wildcards(
                policy,
                rights,
                "Firehose names the objects, and CloudWatch's reading rights have no resource; "
                "each row of the table names the page that says so.",
            )
