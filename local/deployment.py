"""What a stack deployed to the local emulator: its resources with plain values, and its outputs.

The template says what a resource is; the references within it are resolved by what the stack's
resources became. What cannot be resolved is refused by name.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


class DeploymentError(Exception):
    """A stack that is not there, or a value of it that cannot be told; the message names it."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a stack is deployed."""

    partition: str
    region: str
    account: str
    stack_name: str
    stack_id: str

    @classmethod
    def of(cls, stack_id: str) -> "Scope":
        """The scope that a stack's ARN names."""
        _, partition, _, region, account, resource = stack_id.split(":", 5)
        return cls(partition, region, account, resource.split("/")[1], stack_id)


Attribute = Callable[[Scope, str], str]
"""The value of an attribute, from a resource's scope and physical id."""


def _arn(form: str) -> Attribute:
    def fill(scope: Scope, physical_id: str) -> str:
        name = physical_id.rpartition("/")[2]
        values = {"region": scope.region, "account": scope.account, "id": physical_id, "name": name}
        return f"arn:{scope.partition}:{form.format(**values)}"

    return fill


ATTRIBUTES: Mapping[tuple[str, str], Attribute] = {
    ("AWS::Athena::WorkGroup", "Name"): lambda _scope, physical_id: physical_id,
    ("AWS::DynamoDB::Table", "Arn"): _arn("dynamodb:{region}:{account}:table/{id}"),
    ("AWS::IAM::Role", "Arn"): _arn("iam::{account}:role/{id}"),
    ("AWS::KMS::Key", "Arn"): _arn("kms:{region}:{account}:key/{id}"),
    ("AWS::KMS::Key", "KeyId"): lambda _scope, physical_id: physical_id,
    ("AWS::KinesisFirehose::DeliveryStream", "Arn"): _arn(
        "firehose:{region}:{account}:deliverystream/{id}"
    ),
    ("AWS::Lambda::Function", "Arn"): _arn("lambda:{region}:{account}:function:{id}"),
    ("AWS::Logs::LogGroup", "Arn"): _arn("logs:{region}:{account}:log-group:{id}:*"),
    ("AWS::Pipes::Pipe", "Arn"): _arn("pipes:{region}:{account}:pipe/{id}"),
    ("AWS::S3::Bucket", "Arn"): _arn("s3:::{id}"),
    ("AWS::SNS::Topic", "TopicArn"): lambda _scope, physical_id: physical_id,
    ("AWS::SQS::Queue", "Arn"): _arn("sqs:{region}:{account}:{name}"),
    ("AWS::SQS::Queue", "QueueName"): lambda _scope, physical_id: physical_id.rpartition("/")[2],
    ("AWS::SQS::Queue", "QueueUrl"): lambda _scope, physical_id: physical_id,
}
"""The attributes that follow from a resource's physical id, as `Fn::GetAtt` returns them."""

STREAM_ARN = ("AWS::DynamoDB::Table", "StreamArn")
"""The one attribute that must be asked for: it holds the time the stream was turned on."""

_SUBSTITUTION = re.compile(r"\$\{(!?)([^}]+)\}")

_NO_VALUE = object()


@dataclass(frozen=True)
class Resource:
    """One resource of the stack, under the type and the id it was deployed with."""

    logical_id: str
    type: str
    physical_id: str
    template_properties: Mapping[str, Any]
    resolve: Callable[[Any, str], Any]

    @cached_property
    def properties(self) -> dict[str, Any]:
        """The properties with plain values. Raises DeploymentError for one that has none."""
        resolved: dict[str, Any] = self.resolve(self.template_properties, self.logical_id)
        return resolved


class Deployment:
    """A deployed stack."""

    def __init__(
        self,
        scope: Scope,
        template: Mapping[str, Any],
        physical_ids: Mapping[str, tuple[str, str]],
        parameters: Mapping[str, str],
        outputs: Mapping[str, str],
        stream_arn: Callable[[str], str],
    ) -> None:
        """`physical_ids` has type and physical id by logical id; `stream_arn` is asked by table."""
        self.scope = scope
        self.outputs = outputs
        self._parameters = parameters
        self._stream_arn = stream_arn
        self.resources = {
            logical_id: Resource(
                logical_id,
                kind,
                physical_id,
                template.get("Resources", {}).get(logical_id, {}).get("Properties", {}),
                self._resolve,
            )
            for logical_id, (kind, physical_id) in physical_ids.items()
        }

    @classmethod
    def read(
        cls,
        endpoint_url: str,
        stack_name: str,
        *,
        template_file: Path | None = None,
        session: boto3.Session | None = None,
    ) -> "Deployment":
        """Read a stack from the emulator. Raises DeploymentError.

        The template is the deployed one after its transforms, or the given file.
        """
        session = session or boto3.Session()
        config = Config(retries={"total_max_attempts": 1})
        cloudformation = session.client("cloudformation", endpoint_url=endpoint_url, config=config)
        dynamodb = session.client("dynamodb", endpoint_url=endpoint_url, config=config)
        try:
            stack = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]
            pages = cloudformation.get_paginator("list_stack_resources").paginate(
                StackName=stack_name
            )
            physical_ids = {
                resource["LogicalResourceId"]: (
                    resource["ResourceType"],
                    resource.get("PhysicalResourceId", ""),
                )
                for page in pages
                for resource in page["StackResourceSummaries"]
            }
            template = (
                _template_of(template_file)
                if template_file
                else cloudformation.get_template(StackName=stack_name, TemplateStage="Processed")[
                    "TemplateBody"
                ]
            )
        except ClientError as error:
            raise DeploymentError(
                f"Stack {stack_name} cannot be read at {endpoint_url}: "
                f"{error.response['Error']['Message']}; is it deployed there?"
            ) from None
        except BotoCoreError as error:
            raise DeploymentError(
                f"The emulator at {endpoint_url} does not answer: {error}"
            ) from None
        if not isinstance(template, Mapping):
            raise DeploymentError(f"The template of stack {stack_name} is not JSON; CDK's are")

        def stream_arn(table_name: str) -> str:
            return dynamodb.describe_table(TableName=table_name)["Table"].get("LatestStreamArn", "")

        return cls(
            Scope.of(stack["StackId"]),
            template,
            physical_ids,
            {
                parameter["ParameterKey"]: parameter.get(
                    "ResolvedValue", parameter.get("ParameterValue", "")
                )
                for parameter in stack.get("Parameters", [])
            },
            {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])},
            stream_arn,
        )

    def all(self, kind: str) -> list[Resource]:
        """The resources of a type, such as `AWS::S3::Bucket`."""
        return [resource for resource in self.resources.values() if resource.type == kind]

    def one(self, kind: str) -> Resource:
        """The only resource of a type. Raises DeploymentError when there is none or another."""
        found = self.all(kind)
        if len(found) != 1:
            names = ", ".join(resource.logical_id for resource in found) or "none"
            raise DeploymentError(
                f"Stack {self.scope.stack_name} must have exactly one {kind}, and has {names}"
            )
        return found[0]

    def attribute(self, logical_id: str, name: str) -> str:
        """What `Fn::GetAtt` returns. Raises DeploymentError for an attribute not known here."""
        resource = self._resource(logical_id, f"Fn::GetAtt {logical_id}.{name}")
        if (resource.type, name) == STREAM_ARN:
            if arn := self._stream_arn(resource.physical_id):
                return arn
            raise DeploymentError(f"Table {resource.physical_id} has no stream turned on")
        if found := ATTRIBUTES.get((resource.type, name)):
            return found(self.scope, resource.physical_id)
        raise DeploymentError(
            f"Fn::GetAtt {logical_id}.{name} cannot be resolved: attribute {name} of "
            f"{resource.type} is not among ATTRIBUTES in local/deployment.py"
        )

    def _resource(self, logical_id: str, where: str) -> Resource:
        if logical_id not in self.resources:
            raise DeploymentError(
                f"{where} cannot be resolved: stack {self.scope.stack_name} has no {logical_id}"
            )
        return self.resources[logical_id]

    def _ref(self, name: str, where: str) -> Any:
        pseudo = {
            "AWS::AccountId": self.scope.account,
            "AWS::NoValue": _NO_VALUE,
            "AWS::Partition": self.scope.partition,
            "AWS::Region": self.scope.region,
            "AWS::StackId": self.scope.stack_id,
            "AWS::StackName": self.scope.stack_name,
            "AWS::URLSuffix": "amazonaws.com",
        }
        if name in pseudo:
            return pseudo[name]
        if name in self._parameters:
            return self._parameters[name]
        return self._resource(name, f"{where}: Ref {name}").physical_id

    def _resolve(self, value: Any, where: str) -> Any:
        """A value with its intrinsic functions resolved; `where` names it in errors."""
        if isinstance(value, list):
            resolved = [self._resolve(item, f"{where}[{n}]") for n, item in enumerate(value)]
            return [item for item in resolved if item is not _NO_VALUE]
        if not isinstance(value, Mapping):
            return value
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name == "Ref":
                return self._ref(argument, where)
            if name.startswith("Fn::"):
                return self._function(name, argument, where)
        members = {key: self._resolve(item, f"{where}.{key}") for key, item in value.items()}
        return {key: item for key, item in members.items() if item is not _NO_VALUE}

    def _function(self, name: str, argument: Any, where: str) -> Any:
        match name, argument:
            case "Fn::GetAtt", str():
                return self.attribute(*argument.split(".", 1))
            case "Fn::GetAtt", [str(logical_id), str(attribute)]:
                return self.attribute(logical_id, attribute)
            case "Fn::Join", [str(separator), items]:
                return separator.join(map(str, self._resolve(items, where)))
            case "Fn::Split", [str(separator), text]:
                return str(self._resolve(text, where)).split(separator)
            case "Fn::Select", [index, items]:
                return self._resolve(items, where)[int(index)]
            case "Fn::Sub", str():
                return self._substitute(argument, {}, where)
            case "Fn::Sub", [str(text), variables]:
                return self._substitute(text, self._resolve(variables, where), where)
        raise DeploymentError(f"{where}: {name} is not supported by the local deployment reader")

    def _substitute(self, text: str, variables: Mapping[str, Any], where: str) -> str:
        def replace(match: re.Match[str]) -> str:
            literal, name = match.groups()
            if literal:
                return f"${{{name}}}"
            if name in variables:
                return str(variables[name])
            if "." in name:
                return self.attribute(*name.split(".", 1))
            return str(self._ref(name, where))

        return _SUBSTITUTION.sub(replace, text)


def _template_of(file: Path) -> Any:
    try:
        return msgspec.json.decode(file.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DeploymentError(f"{file} is no synthesized template: {error}") from None
