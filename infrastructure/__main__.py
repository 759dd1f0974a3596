"""The CDK app: `cdk synth`, `cdk deploy` and `cdk destroy` run it from the project's root."""

import os
import sys

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from infrastructure import attachment
from infrastructure.packaging import PackagingError
from infrastructure.settings import DeploymentSettings, SettingsError
from infrastructure.stack import Sluice


def checked(app: App) -> App:
    """The app, whose synthesis fails on any finding of cdk-nag that is not acknowledged."""
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app


def main() -> None:
    """Synthesize the stack that the CDK context asks for."""
    # Chalice asks for a region to package, though nothing it packages depends on one.
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    app = checked(App())
    try:
        settings = DeploymentSettings.from_context(app.node.get_all_context())
        stack = Sluice(app, settings=settings)
    except (SettingsError, PackagingError) as error:
        sys.exit(str(error))
    if settings.existing_table is not None:
        attachment.check(settings.existing_table, stack, os.environ)
    app.synth()


if __name__ == "__main__":
    main()
