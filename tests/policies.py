"""Reads everything that a synthesized template allows or refuses, wherever it says so."""

from collections.abc import Iterable, Iterator
from typing import Any

from infrastructure.access import ANYONE, IAM_CALLERS, Condition, Grant, Right
from infrastructure.settings import DeploymentSettings


def granted(rights: Iterable[Right], settings: DeploymentSettings) -> set[Grant]:
    """Everything that these rights allow or refuse in a deployment with these settings."""
    return {grant for right in rights for grant in right.grants(settings)}


def stated(resources: dict[str, dict[str, Any]]) -> Iterator[Grant]:
    """Every grant of the resources of a template, given by path with references spelt out."""
    for path, resource in resources.items():
        properties = resource.get("Properties", {})
        # A policy names its roles, and a role's own policies the role's ARN.
        attached = [role.replace("}", ".Arn}") for role in properties.get("Roles", [])]
        attached = attached or [f"${{{path}.Arn}}"]
        for statement in _statements(properties):
            yield from _of_statement(statement, resource["Type"], path, attached)
        for policy in _attached_by_name(properties):
            yield Grant("Allow", f"${{{path}.Arn}}", f"all that {policy} does", "*", frozenset())
        if resource["Type"] == "AWS::Lambda::Permission":
            yield _of_permission(properties)
        if resource["Type"] == "AWS::Serverless::Api":
            yield from _of_methods(path, properties["DefinitionBody"])
        if resource["Type"] == "AWS::Lambda::Url":
            yield Grant("Allow", ANYONE, "lambda:InvokeFunctionUrl", f"${{{path}}}", frozenset())


def _statements(value: Any) -> Iterator[dict[str, Any]]:
    """The statements of every policy below a value: a policy is what has a `Statement`."""
    match value:
        case {"Statement": statements}:
            yield from _as_list(statements)
        case dict():
            for part in value.values():
                yield from _statements(part)
        case list():
            for part in value:
                yield from _statements(part)


def _attached_by_name(properties: dict[str, Any]) -> list[Any]:
    """Policies that are not written out, but named: AWS's own, and SAM's templates."""
    named = _as_list(properties.get("ManagedPolicyArns", []))
    for policy in _as_list(properties.get("Policies", [])):
        if not list(_statements(policy)):
            named.append(policy)
    return named


def _of_statement(
    statement: dict[str, Any], kind: str, path: str, attached: list[str]
) -> Iterator[Grant]:
    known = {
        *("Sid", "Effect", "Principal"),
        *("Action", "NotAction", "Resource", "NotResource", "Condition"),
    }
    assert statement.keys() <= known, statement.keys() - known
    callers = _principals(statement["Principal"]) if "Principal" in statement else attached
    actions = _as_list(statement.get("Action", [])) + [
        f"all but {action}" for action in _as_list(statement.get("NotAction", []))
    ]
    # Who may take a role is said without naming the role.
    resources = _as_list(statement.get("Resource", [f"${{{path}.Arn}}"])) + [
        f"all but {resource}" for resource in _as_list(statement.get("NotResource", []))
    ]
    for who in callers:
        for action in actions:
            for resource in resources:
                # In a key's policy, the key is spelt "*".
                on = f"${{{path}.Arn}}" if (kind, resource) == ("AWS::KMS::Key", "*") else resource
                yield Grant(statement["Effect"], who, action, on, _conditions(statement))


def _principals(principal: Any) -> list[str]:
    if principal == "*":
        return [ANYONE]
    assert principal.keys() <= {"AWS", "Service"}, principal
    callers = [who for named in principal.values() for who in _as_list(named)]
    return [ANYONE if who == "*" else who for who in callers]


def _conditions(statement: dict[str, Any]) -> frozenset[Condition]:
    return frozenset(
        Condition(operator, key, tuple(sorted(str(value) for value in _as_list(values))))
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    )


def _of_permission(properties: dict[str, Any]) -> Grant:
    """A Lambda permission; its sources are conditions
    (https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html)."""
    sources = {
        "SourceArn": ("ArnLike", "aws:SourceArn"),
        "SourceAccount": ("StringEquals", "aws:SourceAccount"),
    }
    assert properties.keys() <= {"Action", "FunctionName", "Principal", *sources}, properties
    conditions = frozenset(
        Condition(*sources[name], (properties[name],)) for name in sources if name in properties
    )
    return Grant(
        "Allow",
        properties["Principal"],
        properties["Action"],
        properties["FunctionName"],
        conditions,
    )


def _of_methods(path: str, definition: dict[str, Any]) -> Iterator[Grant]:
    """Who may call an API: a method without a scheme of security is open to anyone."""
    signed = {
        name
        for name, scheme in definition.get("securityDefinitions", {}).items()
        if scheme.get("x-amazon-apigateway-authtype") == "awsSigv4"
    }
    for methods in definition["paths"].values():
        for method in methods.values():
            schemes = {name for each in method.get("security", []) for name in each}
            who = IAM_CALLERS if schemes and schemes <= signed else ANYONE
            yield Grant("Allow", who, "execute-api:Invoke", f"${{{path}}}", frozenset())


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]
