"""The CDK app: `cdk synth`, `cdk deploy` and `cdk destroy` run it from the project's root."""

import os
import sys
from collections.abc import Mapping

import boto3
from aws_cdk import App, Validations
from botocore.exceptions import UnknownRegionError
from cdk_nag import AwsSolutionsChecks

from chalicelib.declared import VARIABLE
from infrastructure import attachment
from infrastructure.packaging import PackagingError
from infrastructure.settings import DeploymentSettings, SettingsError
from infrastructure.stack import Sluice


def checked(app: App) -> App:
    """The app, whose synthesis fails on any finding of cdk-nag that is not acknowledged."""
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app


PARTITIONS = ("aws", "aws-us-gov")
"""Where the services have the principals and endpoints, below amazonaws.com, that policies name."""


def refuse_partition(region: str) -> None:
    """Raise SettingsError for a region of a partition that the template does not fit."""
    try:
        partition = boto3.Session().get_partition_for_region(region)
    except UnknownRegionError:
        return  # Newer than this botocore, or misspelt: AWS answers for it.
    if partition not in PARTITIONS:
        raise SettingsError(
            [
                f"the region {region} belongs to the partition {partition}, but the template's "
                f"policies name services as {' and '.join(PARTITIONS)} do, and no other was "
                "checked. Deploy to a region of one of these."
            ]
        )


def schema_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the context with the declaration that the environment names, as `sluice` reads it."""
    return {"schema": file} if (file := environment.get(VARIABLE)) else {}


def main() -> None:
    """Synthesize the stack that the CDK context asks for."""
    # Chalice asks for a region to package, though nothing it packages depends on one.
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    app = checked(App())
    try:
        # The command line names the region it deploys to, and its own choice without credentials.
        refuse_partition(os.environ.get("CDK_DEFAULT_REGION", "us-east-1"))
        settings = DeploymentSettings.from_context(
            schema_of(os.environ) | app.node.get_all_context()
        )
        stack = Sluice(app, settings=settings)
    except (SettingsError, PackagingError) as error:
        sys.exit(str(error))
    if settings.existing_table is not None:
        attachment.check(settings.existing_table, settings.table, stack, os.environ)
    app.synth()


if __name__ == "__main__":
    main()
