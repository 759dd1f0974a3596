"""The terms in which rights are declared: resources, conditions, and which deployments have a row.

Names are those of the template. `${Lake/Bucket.Arn}` is an attribute of the resource at that path
of the stack, and `<stack>` the stack's name. `<table>`, `<stream>` and `<table key>` are the
table's, whether the stack made it or follows it.
"""

from infrastructure.access import Condition
from infrastructure.settings import DeploymentSettings

KEY = "${Encryption/Key.Arn}"
BUCKET = "${Lake/Bucket.Arn}"
QUEUE = "${Pipe/DeadLetters.Arn}"
TOPIC = "${Alarms/Topic}"
ACCOUNT = "${AWS::AccountId}"
EMPTYING = "${Custom::S3AutoDeleteObjectsCustomResourceProvider/Role.Arn}"
STREAM = "${Delivery/Stream.Arn}"
HASH_KEY = "${Runtime/HashKey}"
EMPTYING_LOG = "${Lake/EmptyingLog.Arn}"
DOCS = "https://docs.aws.amazon.com/"
FIREHOSE_ENCRYPTION = f"{DOCS}firehose/latest/dev/encryption.html"
HAS_API = "there is an API"
BY_PIPE = "`feed` is `pipe`"
BY_FUNCTION = "`feed` is `function`"


def arn(service: str, rest: str) -> str:
    """The ARN of something in the stack's account and region."""
    return f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:{ACCOUNT}:{rest}"


def has_table_key(settings: DeploymentSettings) -> bool:
    """Whether the table is encrypted with a customer key."""
    return settings.existing_table is None or settings.existing_table.key_arn is not None


def by_pipe(settings: DeploymentSettings) -> bool:
    """Whether a pipe feeds the delivery stream."""
    return settings.feed == "pipe"


def by_function(settings: DeploymentSettings) -> bool:
    """Whether a function feeds the delivery stream."""
    return settings.feed == "function"


def has_api(settings: DeploymentSettings) -> bool:
    """Whether there is an API."""
    return settings.has_api


def via(service: str) -> Condition:
    """The condition that a service uses the key on its caller's behalf."""
    return Condition(
        "StringEquals", "kms:ViaService", (f"{service}.${{AWS::Region}}.amazonaws.com",)
    )


OF_THE_BUCKET = (
    via("s3"),
    # With a bucket key the context is the bucket, not the object.
    Condition("StringEquals", "kms:EncryptionContext:aws:s3:arn", (BUCKET,)),
)
