"""The bucket: the lake under `data/`, what could not be delivered under `errors/`."""

from typing import cast

from aws_cdk import CfnResource, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from chalicelib.partitions import ERROR_PREFIX, FEED_FAILURES, REPLAYED_PREFIX
from infrastructure.acknowledgments import acknowledge
from infrastructure.grants import refusals, statement, statements, trusted
from infrastructure.logs import Log
from infrastructure.retention import removal_policy
from infrastructure.rights import RIGHTS
from infrastructure.settings import DeploymentSettings
from infrastructure.terms import BUCKET, EMPTYING, EMPTYING_LOG

ERRORS_FILTER = "errors"
"""The id of the metrics of requests below `errors/`."""

FEED_FAILURES_FILTER = "feed-failures"
"""The id of the metrics of requests for the changes that a feed function gave up."""


class Lake(Construct):
    """The bucket, encrypted, private and versioned."""

    def __init__(
        self, scope: Construct, id: str, *, settings: DeploymentSettings, key: kms.IKey
    ) -> None:
        super().__init__(scope, id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="old-versions",
                    noncurrent_version_expiration=Duration.days(settings.old_version_days),
                    expired_object_delete_marker=True,
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                ),
                *(
                    s3.LifecycleRule(
                        id=prefix.rstrip("/").replace("/", "-"),
                        prefix=prefix,
                        expiration=Duration.days(settings.error_days),
                    )
                    for prefix in (ERROR_PREFIX, REPLAYED_PREFIX, FEED_FAILURES)
                ),
            ],
            # Only they see every kind of failure that Firehose writes, and cost only when it does.
            metrics=[
                s3.BucketMetrics(id=ERRORS_FILTER, prefix=ERROR_PREFIX),
                *(
                    [s3.BucketMetrics(id=FEED_FAILURES_FILTER, prefix=FEED_FAILURES)]
                    if settings.feed == "function"
                    else []
                ),
            ],
            removal_policy=removal_policy(settings),
            # The emulator cannot run the function that empties the bucket.
            auto_delete_objects=settings.empties_bucket,
        )
        for right in refusals(BUCKET):
            self.bucket.add_to_resource_policy(statement(self, right, settings))
        # A bucket without its policy would admit plain HTTP and other accounts.
        cast(s3.BucketPolicy, self.bucket.policy).apply_removal_policy(removal_policy(settings))
        if settings.empties_bucket:
            self._bind_the_emptying(Log(self, "EmptyingLog", settings=settings, key=key), settings)
        acknowledge(
            self.bucket,
            "AwsSolutions-S1",
            "Access logs need a second bucket, which cannot use the customer key; reads that must "
            "be audited are CloudTrail data events, chosen by the account.",
        )

    def _bind_the_emptying(self, log: Log, settings: DeploymentSettings) -> None:
        """Give the function that empties the bucket this log, the right to no other, and a role
        for functions of this account.

        The CDK makes that function and lets it create a log group, which would outlive the stack.
        """
        provider = Stack.of(self).node.find_child(
            "Custom::S3AutoDeleteObjectsCustomResourceProvider"
        )
        function = cast(CfnResource, provider.node.find_child("Handler"))
        function.add_property_override("LoggingConfig", {"LogGroup": log.log_group_name})
        role = cast(CfnResource, provider.node.find_child("Role"))
        trust = iam.PolicyStatement(
            actions=["sts:AssumeRole"], principals=[trusted(self, EMPTYING, settings)]
        )
        role.add_property_override(
            "AssumeRolePolicyDocument", iam.PolicyDocument(statements=[trust])
        )
        role.add_property_deletion_override("ManagedPolicyArns")
        # The bucket's policy has the rest of its rights, by the construct.
        writing = [right for right in RIGHTS if right.on == (EMPTYING_LOG,)]
        document = iam.PolicyDocument(statements=statements(self, EMPTYING, settings, writing))
        role.add_property_override("Policies", [{"PolicyName": "Log", "PolicyDocument": document}])
