"""The `sluice` command, run as a person would run it: its JSON, or its error message."""

import asyncio
import re
import sys
from typing import Any

import msgspec
from msgspec import Struct

from chalicelib.errors import SluiceError
from local.cdk import ROOT

SECONDS_MAX = 300.0

ARGUMENT_BYTES_MAX = 100_000
"""Of one argument; Linux gives a program no more than 131,072 bytes in one."""


def in_fields(message: str) -> str:
    """Return a command's message with the page's fields in place of the options they stand for."""
    message = re.sub(r"--where ([^\s=]+)=\.\.\.", r"“\1”", message)
    return re.sub(r"--key\b", "“Key”", message)


class CommandError(SluiceError):
    """A command that failed; the message is its own, for a person to read."""


class ArgumentError(CommandError):
    """A value that cannot be passed to a command."""


class CommandOutput(Struct, frozen=True):
    """The JSON that a command printed, and the lines of its standard error."""

    document: Any
    notes: tuple[str, ...]


class SluiceCommand:
    """Runs commands against one stack, each in a process of its own."""

    def __init__(self, stack_name: str) -> None:
        self._command = [sys.executable, "-m", "sluice", "--stack-name", stack_name]

    async def run(self, *arguments: str, standard_input: str = "") -> CommandOutput:
        """Run a command with `--json`; return what it prints, whatever its exit status.

        Raises CommandError when it prints no JSON, and ArgumentError.
        """
        for argument in arguments:
            _require_passable(argument)
        process = await asyncio.create_subprocess_exec(
            *(*self._command, *arguments),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(SECONDS_MAX):
                output, errors = await process.communicate(standard_input.encode())
        except TimeoutError:
            raise CommandError(
                f"`sluice {arguments[0]}` did not end within {SECONDS_MAX:.0f} s"
            ) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        message = in_fields(errors.decode(errors="replace").strip())
        try:
            return CommandOutput(msgspec.json.decode(output), tuple(message.splitlines()))
        except msgspec.DecodeError:
            message = message.removeprefix("error:").strip()
            raise CommandError(
                message or f"`sluice {arguments[0]}` ended with status {process.returncode}"
            ) from None


def _require_passable(argument: str) -> None:
    if "\0" in argument:
        raise ArgumentError("A value holds a NUL character, which cannot be passed to a command.")
    if (size := len(argument.encode())) > ARGUMENT_BYTES_MAX:
        raise ArgumentError(
            f"A value has {size:,} bytes; a command takes at most {ARGUMENT_BYTES_MAX:,}."
        )
