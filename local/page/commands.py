"""The `sluice` command, run as a person would run it: its JSON, or what it said went wrong."""

import asyncio
import os
import sys
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from local.cdk import ROOT

SECONDS_MAX = 300.0

ARGUMENT_BYTES_MAX = 100_000
"""Of one argument; Linux gives a program no more than 131,072 bytes in one."""


class CommandError(Exception):
    """A command that failed; the message is its own, for a person to read."""


class ArgumentError(CommandError):
    """A value that no command can be given."""


class Answer(Struct, frozen=True):
    """What a command printed: its JSON, and its words on standard error, a line each."""

    document: Any
    notes: tuple[str, ...]


class Sluice:
    """Runs commands against one stack, each in a process of its own."""

    def __init__(self, stack_name: str, environment: Mapping[str, str] | None = None) -> None:
        self._command = [sys.executable, "-m", "sluice", "--stack-name", stack_name]
        self._environment = dict(os.environ if environment is None else environment)

    async def run(self, *arguments: str, given: str = "") -> Answer:
        """What a command prints with `--json`, whatever its exit status.

        `given` is its standard input. Raises CommandError when it prints none, and ArgumentError.
        """
        for argument in arguments:
            _refuse_unfit(argument)
        process = await asyncio.create_subprocess_exec(
            *(*self._command, *arguments),
            cwd=ROOT,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(SECONDS_MAX):
                output, complaint = await process.communicate(given.encode())
        except TimeoutError:
            raise CommandError(
                f"`sluice {arguments[0]}` did not end within {SECONDS_MAX:.0f} s"
            ) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        words = complaint.decode(errors="replace").strip()
        try:
            return Answer(msgspec.json.decode(output), tuple(words.splitlines()))
        except msgspec.DecodeError:
            words = words.removeprefix("error:").strip()
            raise CommandError(
                words or f"`sluice {arguments[0]}` ended with status {process.returncode}"
            ) from None


def _refuse_unfit(argument: str) -> None:
    if "\0" in argument:
        raise ArgumentError("A value holds a NUL character, which no command can be given.")
    if (size := len(argument.encode())) > ARGUMENT_BYTES_MAX:
        raise ArgumentError(
            f"A value has {size:,} bytes; a command can be given {ARGUMENT_BYTES_MAX:,} at most."
        )
