"""The targets, and what a module offers to be one."""

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Protocol, cast

from checks.attacks.result import Result

FUZZED = ("transform", "template", "filter", "quarantine", "wire")
"""The targets that coverage leads a fuzzer through, each a module of this package."""

DRIVEN = ("api",)
"""The targets with a driver of their own, likewise."""

NAMES = FUZZED + DRIVEN


class Fuzzed(Protocol):
    """A target that takes bytes."""

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


def fuzzed(name: str) -> Fuzzed:
    """The target of one of the names in `FUZZED`."""
    return cast(Fuzzed, import_module(f"checks.attacks.{name}"))


def driven(name: str) -> Driven:
    """The target of one of the names in `DRIVEN`."""
    return cast(Driven, import_module(f"checks.attacks.{name}"))
