"""How a row of a command is written, and what rows of several parts share."""

from collections.abc import Callable

from infrastructure.access import Condition, Right, always, right
from infrastructure.settings import DeploymentSettings
from infrastructure.terms import DOCS

AUTHORIZATION = f"{DOCS}service-authorization/latest/reference/"
DYNAMODB = f"{AUTHORIZATION}list_amazondynamodb.html"


def rows(
    commands: str,
    *,
    may: str,
    on: str | tuple[str, ...],
    why: str,
    source: str,
    when: Condition | tuple[Condition, ...] = (),
    holds: Callable[[DeploymentSettings], bool] = always,
    holds_when: str = "",
) -> list[Right]:
    """Return the same right of several commands. One text names them, and one the actions."""
    return [
        right(
            f"sluice {command}",
            *may.split(),
            on=on,
            why=why,
            source=source,
            when=when,
            holds=holds,
            holds_when=holds_when,
        )
        for command in commands.split()
    ]
