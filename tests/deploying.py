"""A stack in the emulator that has outputs and nothing else, for commands that look one up."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import uuid4

import boto3


@contextmanager
def deployed_outputs(outputs: Mapping[str, str]) -> Iterator[str]:
    """Yield the name of a CloudFormation stack with these outputs, and delete it at the end."""
    cloudformation = boto3.client("cloudformation")
    name = f"Sluice-{uuid4().hex[:8]}"
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {key: {"Value": value} for key, value in outputs.items()},
    }
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name)
    try:
        yield name
    finally:
        cloudformation.delete_stack(StackName=name)
