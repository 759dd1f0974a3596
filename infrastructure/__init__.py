"""The CDK app that deploys Sluice; `cdk` is run from this folder."""
