"""A deployed stack, addressed by its name: its outputs and the clients to reach its parts.

The same code serves AWS and the local run: only botocore's `AWS_ENDPOINT_URL` variables differ.
"""

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from chalicelib.declaration import Table
from chalicelib.declared import DEFAULT, VARIABLE, declared
from sluice.errors import OperationError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_firehose import FirehoseClient
    from mypy_boto3_firehose.type_defs import DeliveryStreamDescriptionTypeDef


@dataclass(frozen=True)
class Stack:
    """A deployed stack. Clients are made when first used."""

    name: str
    outputs: dict[str, str]

    @classmethod
    def named(cls, name: str, client: "CloudFormationClient | None" = None) -> "Stack":
        """Look a stack up. Raises OperationError when there is none, and what botocore raises."""
        try:
            client = client or boto3.client("cloudformation")
            answer = client.describe_stacks(StackName=name)
        except ValueError as invalid:  # botocore's refusal of an endpoint that is not a URL.
            raise OperationError(f"{invalid}; correct AWS_ENDPOINT_URL") from None
        except ClientError as refused:
            if refused.response["Error"].get("Code") != "ValidationError":
                raise
            raise OperationError(
                f"the stack {name} cannot be read: {refused.response['Error'].get('Message')}; "
                "name another one with --stack-name"
            ) from None
        except KeyError as missing:  # botocore's, of an answer that is XML but not AWS's.
            raise ResponseParserError(str(missing)) from None
        outputs = answer["Stacks"][0].get("Outputs", [])
        return cls(name, {each["OutputKey"]: each["OutputValue"] for each in outputs})

    def output(self, key: str) -> str:
        """The value of an output. Raises OperationError, by name, for one that is missing."""
        try:
            return self.outputs[key]
        except KeyError:
            raise OperationError(f"the stack {self.name} has no output {key}") from None

    @cached_property
    def table(self) -> Table:
        """The declared table, with the layout of the stack.

        Raises SchemaError, and OperationError where the stack was deployed with another one.
        """
        table = declared()
        deployed = self.output("SchemaFingerprint")
        if table.fingerprint != deployed:
            raise OperationError(
                f"the stack {self.name} was deployed with another declaration of the table "
                f"({deployed}) than {os.environ.get(VARIABLE) or DEFAULT} ({table.fingerprint}); "
                f"name its file with --schema or {VARIABLE}, or deploy this one"
            )
        return table.with_layout(self.output("Layout").split("/"))

    athena = cached_property(lambda _: boto3.client("athena"))
    cloudwatch = cached_property(lambda _: boto3.client("cloudwatch"))
    dynamodb = cached_property(lambda _: boto3.client("dynamodb"))
    functions = cached_property(lambda _: boto3.client("lambda"))
    glue = cached_property(lambda _: boto3.client("glue"))
    pipes = cached_property(lambda _: boto3.client("pipes"))
    s3 = cached_property(lambda _: boto3.client("s3"))
    sqs = cached_property(lambda _: boto3.client("sqs"))
    streams = cached_property(lambda _: boto3.client("dynamodbstreams"))

    @cached_property
    def firehose(self) -> "FirehoseClient":
        """The client of the delivery stream.

        Raises OperationError where it would be an emulator's own Firehose, which loses records.
        """
        if self.emulated and "AWS_ENDPOINT_URL_FIREHOSE" not in os.environ:
            raise OperationError(
                "AWS_ENDPOINT_URL names an emulator, whose own Firehose loses records; set "
                "AWS_ENDPOINT_URL_FIREHOSE too, to the local Firehose that `make dev` prints"
            )
        return boto3.client("firehose")

    def delivery_stream(self) -> "DeliveryStreamDescriptionTypeDef":
        """Return what AWS says of the delivery stream. Raises OperationError as `firehose` does."""
        answer = self.firehose.describe_delivery_stream(
            DeliveryStreamName=self.output("StreamName")
        )
        return answer["DeliveryStreamDescription"]

    @property
    def feed(self) -> str:
        """What follows the table's stream: `pipe` or `function`. Before there was a choice, the
        pipe."""
        return self.outputs.get("Feed", "pipe")

    @property
    def emulated(self) -> bool:
        """Whether this is a stack on an emulator of AWS."""
        return "AWS_ENDPOINT_URL" in os.environ

    @property
    def has_views(self) -> bool:
        """Whether the lake's tables are views, of what is compacted and what is not."""
        return "CompactName" in self.outputs

    @property
    def reads_compacted(self) -> bool:
        """Whether queries read what is compacted: the local engine always does, Athena by views."""
        return self.emulated or self.has_views

    @property
    def bucket(self) -> str:
        """The name of the lake's bucket."""
        return self.output("BucketName")

    @property
    def api_url(self) -> str:
        """The API's base URL, without a slash at its end. Raises OperationError without an API.

        An emulator answers for every API on its own endpoint, so there the API's id moves from the
        host's name into the path.
        """
        if "ApiUrl" not in self.outputs:
            raise OperationError(f"the stack {self.name} has no API; deploy it with `-c api=on`")
        url = self.outputs["ApiUrl"].rstrip("/")
        if (endpoint := os.environ.get("AWS_ENDPOINT_URL")) is None:
            return url
        parts = urlsplit(url)
        api_id = (parts.hostname or "").split(".")[0]
        return f"{endpoint}/restapis/{api_id}{parts.path}/_user_request_"
