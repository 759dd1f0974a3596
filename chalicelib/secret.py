"""The keyed hash that takes the place of fields which the lake must not hold.

Equal values have equal hashes, and only who has the key can try values. boto3 is imported here
only when a table has such fields, so that no other transform waits for it.
"""

from collections.abc import Callable
from hmac import digest

from chalicelib.environment import variable

VARIABLE = "HASH_SECRET_ARN"
"""The environment variable with the ARN of the secret that is the key."""


def deployed_hasher() -> Callable[[bytes], str]:
    """Return the function to the HMAC-SHA256 of a value, in hexadecimal, with the stack's key."""
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "secretsmanager",
        config=Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 3}),
    )
    key = client.get_secret_value(SecretId=variable(VARIABLE))["SecretString"].encode()
    return lambda content: digest(key, content, "sha256").hex()
