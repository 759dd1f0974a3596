"""A deployed stack, addressed by its name: its outputs and the clients to reach its parts.

The same code serves AWS and the local run: botocore's `AWS_ENDPOINT_URL` variables alone differ.
"""

import os
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from mypy_boto3_s3 import S3Client


class OperationError(Exception):
    """Why an operation cannot be done, and the remedy, in words for a person."""


@dataclass(frozen=True)
class Stack:
    """A deployed stack. Clients are made when first used."""

    name: str
    outputs: dict[str, str]

    @classmethod
    def named(cls, name: str) -> "Stack":
        """Look a stack up. Raises OperationError when it cannot be found or asked for."""
        try:
            answer = boto3.client("cloudformation").describe_stacks(StackName=name)
        except ClientError as refused:
            raise OperationError(
                f"the stack {name} cannot be read: {refused.response['Error'].get('Message')}; "
                "name another one with --stack-name"
            ) from None
        except BotoCoreError as unreachable:
            raise OperationError(
                f"AWS cannot be asked for the stack {name}: {unreachable}"
            ) from None
        outputs = answer["Stacks"][0].get("Outputs", [])
        return cls(name, {each["OutputKey"]: each["OutputValue"] for each in outputs})

    def output(self, key: str) -> str:
        """The value of an output. Raises OperationError, by name, for one that is missing."""
        try:
            return self.outputs[key]
        except KeyError:
            raise OperationError(f"the stack {self.name} has no output {key}") from None

    @cached_property
    def s3(self) -> S3Client:
        """The client of the lake's bucket."""
        return boto3.client("s3")

    @property
    def bucket(self) -> str:
        """The name of the lake's bucket."""
        return self.output("BucketName")

    @property
    def api_url(self) -> str:
        """The API's base URL, without a slash at its end.

        An emulator answers for every API on its own endpoint, so there the API's id moves from the
        host's name into the path.
        """
        url = self.output("ApiUrl").rstrip("/")
        if (endpoint := os.environ.get("AWS_ENDPOINT_URL")) is None:
            return url
        parts = urlsplit(url)
        api_id = (parts.hostname or "").split(".")[0]
        return f"{endpoint}/restapis/{api_id}{parts.path}/_user_request_"
