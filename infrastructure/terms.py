"""The terms in which rights are declared: resources, conditions, and which deployments have a row.

Names are those of the template. `${Lake/Bucket.Arn}` is an attribute of the resource at that path
of the stack, and `<stack>` the stack's name. `<table>`, `<stream>` and `<table key>` are the
table's, whether the stack made it or follows it.
"""

from infrastructure.access import DOCS, Case, Condition

KEY = "${Encryption/Key.Arn}"
BUCKET = "${Lake/Bucket.Arn}"
QUEUE = "${Pipe/DeadLetters.Arn}"
TOPIC = "${Alarms/Topic}"
ACCOUNT = "${AWS::AccountId}"
EMPTYING = "${Custom::S3AutoDeleteObjectsCustomResourceProvider/Role.Arn}"
STREAM = "${Delivery/Stream.Arn}"
HASH_KEY = "${Runtime/HashKey}"
EMPTYING_LOG = "${Lake/EmptyingLog.Arn}"
DYNAMODB_ENCRYPTION = f"{DOCS}amazondynamodb/latest/developerguide/encryption.usagenotes.html"
FIREHOSE_ENCRYPTION = f"{DOCS}firehose/latest/dev/encryption.html"
HAS_API = Case(lambda settings: settings.has_api, "there is an API")
BY_PIPE = Case(lambda settings: settings.feed == "pipe", "`feed` is `pipe`")
BY_FUNCTION = Case(lambda settings: settings.feed == "function", "`feed` is `function`")
HAS_TABLE_KEY = Case(
    lambda settings: not settings.existing_table or settings.existing_table.key_arn is not None,
    "the table has a customer key",
)


def arn(service: str, rest: str) -> str:
    """The ARN of something in the stack's account and region."""
    return f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:{ACCOUNT}:{rest}"


def glue_tables(*names: str) -> tuple[str, ...]:
    """Return what a right on these tables of the lake needs to name."""
    tables = [arn("glue", f"table/<database>/{name}") for name in names]
    return arn("glue", "catalog"), arn("glue", "database/<database>"), *tables


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
