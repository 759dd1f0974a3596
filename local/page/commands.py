"""The `sluice` command, run as a person would run it: its JSON, or what it said went wrong."""

import asyncio
import os
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from local.cdk import ROOT

SECONDS_MAX = 300.0


class CommandError(Exception):
    """A command that failed; the message is its own, for a person to read."""


class Sluice:
    """Runs commands against one stack, each in a process of its own."""

    def __init__(self, stack_name: str, environment: Mapping[str, str] | None = None) -> None:
        self._command = [sys.executable, "-m", "operations", "--stack-name", stack_name]
        self._environment = dict(os.environ if environment is None else environment)

    async def run(self, *arguments: str) -> Any:
        """The document a command prints with `--json`, whatever its exit status.

        Raises CommandError when it prints none.
        """
        process = await asyncio.create_subprocess_exec(
            *(*self._command, *arguments),
            cwd=ROOT,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(SECONDS_MAX):
                output, complaint = await process.communicate()
        except TimeoutError:
            raise CommandError(
                f"`sluice {arguments[0]}` did not end within {SECONDS_MAX:.0f} s"
            ) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        try:
            return msgspec.json.decode(output)
        except msgspec.DecodeError:
            words = complaint.decode(errors="replace").strip().removeprefix("error:").strip()
            raise CommandError(
                words or f"`sluice {arguments[0]}` ended with status {process.returncode}"
            ) from None
