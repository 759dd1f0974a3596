"""The functions' environment variables, read when first needed and never at import."""

import os


def variable(name: str) -> str:
    """Return the value of a variable. Raises LookupError with its name if it has none."""
    value = os.environ.get(name, "")
    if not value:
        raise LookupError(f"the environment variable {name} is not set; the stack sets it")
    return value
