"""The removal policy of resources that hold data."""

from aws_cdk import RemovalPolicy

from infrastructure.settings import DeploymentSettings


def removal_policy(settings: DeploymentSettings) -> RemovalPolicy:
    """The removal policy of what holds data, or guards it.

    A kept resource outlives its stack and its replacement, but not a first deployment that failed:
    it is empty then, and would stand in no stack
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html).
    """
    if settings.retains_data:
        return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
    return RemovalPolicy.DESTROY
