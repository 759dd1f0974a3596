"""The targets, and what a module offers to be one."""

from collections.abc import Iterable, Sequence
from importlib import import_module
from types import ModuleType
from typing import Protocol, cast

from attacks.result import Result

NAMES = ("transform", "template", "filter", "quarantine", "wire")
"""The targets, each a module of this package."""


class Fuzzed(Protocol):
    """A target that takes bytes; coverage leads the fuzzer through it."""

    TOKENS: Sequence[bytes]
    """Words of the input's language, for the fuzzer to insert."""

    def attack(self, data: bytes) -> None:
        """Try one input. Raises AssertionError when the promise is broken."""

    def seeds(self) -> Iterable[bytes]:
        """Good inputs to begin with."""


class Driven(Protocol):
    """A target with a driver of its own."""

    def run(self, seconds: float) -> Result:
        """Attack for about this long."""


def load(name: str) -> Fuzzed | Driven:
    """A target by its name."""
    return cast(Fuzzed | Driven, import_module(f"attacks.{name}"))


def is_driven(target: Fuzzed | Driven) -> bool:
    """Whether a target has a driver of its own."""
    return hasattr(cast(ModuleType, target), "run")
