"""What waits outside the lake, and the commands that bring it in."""

from sluice.lake import error_keys
from sluice.recovery.dead_letters import DeadLetters
from sluice.stack import Stack
from sluice.wording import counted


def waiting(stack: Stack) -> list[str]:
    """Return the commands that bring in changes which wait outside the lake, with their number."""
    commands = []
    if error_objects := len(error_keys(stack)):
        commands.append(f"sluice replay: {counted(error_objects, 'error object')} in quarantine")
    with DeadLetters(stack) as letters:
        if count := letters.count():
            commands.append(f"sluice redrive: {counted(count, 'dead letter')}")
    return commands
