"""The one customer-managed key: table, stream, queue, bucket and logs are all encrypted with it."""

from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from constructs import Construct

from infrastructure.grants import refusals, service_rights, statement
from infrastructure.retention import removal_policy
from infrastructure.settings import DeploymentSettings
from infrastructure.terms import KEY


class Encryption(Construct):
    """The key, rotated every year."""

    def __init__(self, scope: Construct, id: str, *, settings: DeploymentSettings) -> None:
        super().__init__(scope, id)
        self.key = kms.Key(
            self,
            "Key",
            description=f"Everything {settings.stack_name} stores.",
            enable_key_rotation=True,
            removal_policy=removal_policy(settings),
            pending_window=Duration.days(30 if settings.retains_data else 7),
        )
        # Beside refusals: services without a role of ours, which the key's own policy must name.
        for right in (*refusals(KEY), *service_rights(settings, KEY)):
            # Within its own key, a policy spells that key "*".
            self.key.add_to_resource_policy(statement(self, right, settings, resources=["*"]))
