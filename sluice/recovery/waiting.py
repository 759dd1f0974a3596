"""What waits outside the lake, and the commands that bring it in."""

from chalicelib.partitions import FEED_FAILURES
from sluice.lake import error_keys
from sluice.recovery.dead_letters import DeadLetters
from sluice.recovery.quarantine import stored_below
from sluice.stack import Stack
from sluice.wording import counted


def waiting(stack: Stack) -> list[str]:
    """Return the commands that bring in changes which wait outside the lake, with their number."""
    with DeadLetters(stack) as letters:
        waits = {
            "sluice replay: {} in quarantine": (len(error_keys(stack)), "error object"),
            "sluice redrive: {}": (letters.count(), "dead letter"),
            "sluice redrive: {} of the feed": (
                len(stored_below(stack, [FEED_FAILURES])),
                "failure object",
            ),
        }
    return [
        command.format(counted(count, noun)) for command, (count, noun) in waits.items() if count
    ]
