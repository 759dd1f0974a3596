"""Makes policies of the declared rights, so that each right is written only in the table."""

import re
from collections.abc import Sequence

from aws_cdk import CfnElement, Fn, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from infrastructure.access import ANYONE, Right, named
from infrastructure.acknowledgments import acknowledge_wildcards
from infrastructure.rights import RIGHTS
from infrastructure.settings import DeploymentSettings


def service_rights(settings: DeploymentSettings, on: str) -> list[Right]:
    """The rights of AWS services on a resource, given as the table spells it."""
    return [
        right
        for right in RIGHTS
        if on in right.on and right.who.endswith(".amazonaws.com") and right.holds(settings)
    ]


def refusals(on: str) -> list[Right]:
    """Return what a resource refuses to anyone, given as the table spells it."""
    return [right for right in RIGHTS if on in right.on and right.who == ANYONE]


def statement(
    scope: IConstruct,
    right: Right,
    settings: DeploymentSettings,
    *,
    resources: Sequence[str] = (),
) -> iam.PolicyStatement:
    """Return a row as a policy's statement; it names the caller if that is a service or anyone.

    Resources may be spelt otherwise than in the table, where a policy must.
    """
    principals: list[iam.IPrincipal] = []
    if right.who == ANYONE:
        principals = [iam.AnyPrincipal()]
    elif right.who.endswith(".amazonaws.com"):
        principals = [iam.ServicePrincipal(_tokens(scope, right.who))]
    return iam.PolicyStatement(
        effect=iam.Effect[right.effect.upper()],
        actions=list(right.actions),
        principals=principals or None,
        resources=list(resources or (_resolved(scope, each, settings) for each in right.on)),
        conditions=_conditions(scope, right, settings),
    )


def statements(
    scope: IConstruct, who: str, settings: DeploymentSettings, rights: Sequence[Right] = RIGHTS
) -> list[iam.PolicyStatement]:
    """The statements of all that somebody is allowed."""
    return [
        statement(scope, right, settings)
        for right in rights
        if right.who == who and right.holds(settings)
    ]


def trusted(scope: IConstruct, role: str, settings: DeploymentSettings) -> iam.ServicePrincipal:
    """The service that may take a role, on the conditions of the table."""
    (right,) = service_rights(settings, role)
    return iam.ServicePrincipal(right.who, conditions=_conditions(scope, right, settings))


def declared_role(
    scope: Construct,
    id: str,
    *,
    settings: DeploymentSettings,
    later: str | None = None,
    wildcards: str = "",
) -> iam.Role:
    """A role of a part of the stack, with the trust and the rights that the table declares for it.

    Rights on the resource `later` come in a policy of their own: the role itself does not wait for
    that resource. `wildcards` is the reason for patterns among the resources, if there are any.
    """
    name = f"${{{scope.node.id}/{id}.Arn}}"
    rights = [right for right in RIGHTS if right.on != (later,)]
    role = iam.Role(
        scope,
        id,
        assumed_by=trusted(scope, name, settings),
        inline_policies={
            "Rights": iam.PolicyDocument(statements=statements(scope, name, settings, rights))
        },
    )
    if later is not None:
        rest = [right for right in RIGHTS if right.on == (later,)]
        iam.Policy(role, "Later", roles=[role], statements=statements(scope, name, settings, rest))
    if wildcards:
        acknowledge_wildcards(role, statements(scope, name, settings), wildcards)
    return role


def _conditions(
    scope: IConstruct, right: Right, settings: DeploymentSettings
) -> dict[str, dict[str, str | list[str]]]:
    conditions: dict[str, dict[str, str | list[str]]] = {}
    for condition in right.conditions:
        values = [_resolved(scope, value, settings) for value in condition.values]
        conditions.setdefault(condition.operator, {})[condition.key] = (
            values if len(values) > 1 else values[0]
        )
    return conditions


def _resolved(scope: IConstruct, text: str, settings: DeploymentSettings) -> str:
    return _tokens(scope, named(text, settings))


def _tokens(scope: IConstruct, text: str) -> str:
    """A text of the table, its references to resources as the CDK's."""
    return re.sub(
        r"\$\{([^}.]+)(?:\.(\w+))?\}",
        lambda reference: _reference(scope, reference[1], reference[2]),
        text,
    )


def _reference(scope: IConstruct, path: str, attribute: str | None) -> str:
    construct: IConstruct | None = Stack.of(scope)
    for part in path.split("/"):
        construct = construct.node.try_find_child(part) if construct else None
    element = construct.node.default_child or construct if construct else None
    if isinstance(element, CfnElement):
        if attribute is None:
            return str(Fn.ref(Stack.of(scope).get_logical_id(element)))
        return Fn.get_att(Stack.of(scope).get_logical_id(element), attribute).to_string()
    # Chalice's resources have no path, and go by their logical ids; so do the pseudo parameters.
    return Fn.ref(path) if attribute is None else Fn.get_att(path, attribute).to_string()
