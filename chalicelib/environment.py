"""The functions' environment variables, read when first needed and never at import."""

import os


def variable(name: str) -> str:
    """The value of a variable. Raises LookupError, by name, for one that is missing or empty."""
    value = os.environ.get(name, "")
    if not value:
        raise LookupError(f"the environment variable {name} is not set; the stack sets it")
    return value
