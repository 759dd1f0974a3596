"""The Chalice application: the functions of transform, feed, API and compaction.

Each has a role and a log of its own.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

from aws_cdk import CfnElement, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct, IConstruct

from chalicelib.secret import VARIABLE as HASH_SECRET_ARN
from infrastructure.acknowledgments import acknowledge
from infrastructure.gateway import gateway_responses
from infrastructure.grants import declared_role
from infrastructure.logs import Log
from infrastructure.packaging import packaged
from infrastructure.retention import removal_policy
from infrastructure.settings import DeploymentSettings

API_HANDLER = "APIHandler"
TRANSFORM = "Transform"
COMPACT = "Compact"
FEED = "Feed"
REST_API = "RestAPI"
API_RESOURCES = (API_HANDLER, "APIHandlerInvokePermission", REST_API)
API_OUTPUTS = ("APIHandlerArn", "APIHandlerName", "EndpointURL", "RestAPIId")


class RestApi(NamedTuple):
    """The API of a stack."""

    name: str
    """By which CloudWatch distinguishes it."""
    stage: str
    url: str
    """It ends in `/`."""
    log: Log


class Compactor(NamedTuple):
    """The function that compacts."""

    name: str
    arn: str
    log: Log


class Runtime(Construct):
    """The functions, packaged by Chalice, and the API in front of one of them."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: DeploymentSettings,
        key: kms.IKey,
        table: dynamodb.ITable,
        bucket: s3.IBucket,
    ) -> None:
        super().__init__(scope, id)
        self._secret = self._hash_key(settings, key) if settings.table.hashes else None
        self.transform_log = Log(self, "TransformLog", settings=settings, key=key)
        self.transform_role = declared_role(self, "TransformRole", settings=settings)

        self._app = packaged(
            self, target=settings.target, role=self.transform_role, schema=settings.schema
        )
        self.configure(
            TRANSFORM,
            self.transform_role,
            self.transform_log,
            {
                "LAYOUT": "/".join(settings.table.layout),
                "CHANGE_TYPES": ",".join(settings.change_types),
            }
            | ({HASH_SECRET_ARN: self._secret.ref} if self._secret else {}),
        )
        self.transform = self._app.get_function(TRANSFORM)
        transform = self._app.get_resource(TRANSFORM)
        self.transform_name: str = transform.ref
        self.transform_timeout_seconds: float = transform.timeout
        self.api: RestApi | None = None
        if settings.has_api:
            self.api = self._api(settings, key, table)
        else:
            self._remove(API_RESOURCES, API_OUTPUTS)
        if settings.feed != "function":
            self._remove((FEED,))
        self.compactor: Compactor | None = None
        if settings.compacts:
            self.compactor = self._compactor(settings, key, bucket)
        else:
            self._remove((COMPACT,))

    def _api(self, settings: DeploymentSettings, key: kms.IKey, table: dynamodb.ITable) -> RestApi:
        """The API, with its function's role and log."""
        log = Log(self, "ApiLog", settings=settings, key=key)
        role = declared_role(self, "ApiRole", settings=settings)
        self.configure(API_HANDLER, role, log, {"TABLE_NAME": table.table_name})
        # Without it, SAM adds a second stage named "Stage"
        # (https://github.com/aws/serverless-application-model/issues/191).
        api = self._app.get_resource(REST_API)
        api.add_property_override("OpenApiVersion", "2.0")
        api.add_property_override("GatewayResponses", gateway_responses())
        # CloudWatch distinguishes APIs only by their titles.
        api.add_property_override("DefinitionBody.info.title", settings.stack_name)
        stack, stage = Stack.of(self), api.stage_name
        host = f"{api.ref}.execute-api.{stack.region}.{stack.url_suffix}"
        return RestApi(settings.stack_name, stage, f"https://{host}/{stage}/", log)

    def _compactor(
        self, settings: DeploymentSettings, key: kms.IKey, bucket: s3.IBucket
    ) -> Compactor:
        """The function that compacts, with its role and log."""
        log = Log(self, "CompactLog", settings=settings, key=key)
        role = declared_role(
            self,
            "CompactRole",
            settings=settings,
            wildcards="Objects of the lake, and the tables over it, have names of their own.",
        )
        environment = {
            "LAYOUT": "/".join(settings.table.layout),
            "BUCKET_NAME": bucket.bucket_name,
            "DATABASE_NAME": settings.database_name,
            "WORKGROUP_NAME": settings.stack_name,
        }
        name = self.configure(COMPACT, role, log, environment)
        return Compactor(name, self._app.get_function(COMPACT).function_arn, log)

    def _remove(self, resources: Sequence[str], outputs: Sequence[str] = ()) -> None:
        """Take out of Chalice's template what a deployment does not have."""
        template = self._app.sam_template
        elements: list[CfnElement] = [
            *map(template.get_resource, resources),
            *map(template.get_output, outputs),
        ]
        for element in elements:
            cast(IConstruct, element.node.scope).node.try_remove_child(element.node.id)

    def _hash_key(self, settings: DeploymentSettings, key: kms.IKey) -> secretsmanager.CfnSecret:
        """The secret with which protected fields are hashed.

        The construct above this one would let the whole account use the key, by the key's policy.
        """
        secret = secretsmanager.CfnSecret(
            self,
            "HashKey",
            description=f"With which {settings.stack_name} hashes what its lake must not hold.",
            generate_secret_string=secretsmanager.CfnSecret.GenerateSecretStringProperty(
                password_length=64, exclude_punctuation=True
            ),
            kms_key_id=key.key_arn,
        )
        secret.apply_removal_policy(removal_policy(settings))
        acknowledge(
            secret,
            "AwsSolutions-SMG4",
            "With another key, equal values would no longer have equal hashes.",
        )
        return secret

    def configure(
        self, function: str, role: iam.IRole, log: Log, environment: dict[str, str]
    ) -> str:
        """Give a function its role, log and environment; return its name."""
        resource = self._app.get_resource(function)
        resource.add_property_override("Role", role.role_arn)
        # In JSON, Lambda's own lines are JSON too, and ours are left as they were printed
        # (https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html).
        resource.add_property_override(
            "LoggingConfig", {"LogGroup": log.log_group_name, "LogFormat": "JSON"}
        )
        for name, value in environment.items():
            self._app.add_environment_variable(name, value, function)
        return str(resource.ref)
