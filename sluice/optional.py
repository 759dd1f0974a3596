"""Packages that only some tasks need, and that the installed command therefore goes without."""

from importlib import import_module
from typing import Any

from sluice.errors import OperationError


def optional(module: str, task: str) -> Any:
    """Return a module, or raise OperationError with the remedy when its package is missing."""
    try:
        return import_module(module)
    except ModuleNotFoundError:
        package = module.partition(".")[0]
        raise OperationError(
            f"{task} needs {package}, which is not installed here; install it with: "
            f"pip install {package}"
        ) from None
