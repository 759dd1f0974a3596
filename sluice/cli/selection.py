"""The options that choose quarantined records."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click

_AGE = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Since(click.ParamType[datetime]):
    """A moment: an age such as `90m`, `6h`, `2d`, or a time in ISO 8601 (UTC by default)."""

    name = "age or time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the moment, in UTC."""
        if isinstance(value, datetime):
            return value
        try:
            if age := _AGE.fullmatch(value):
                return datetime.now(UTC) - timedelta(**{_UNITS[age[2]]: int(age[1])})
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is neither an age like 90m, 6h, 2d nor a time in ISO 8601", param, ctx
            )


def selection_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --error-code and --since to a command."""
    code = click.option(
        "--error-code", help="Only records with this code, as `sluice failed` shows it."
    )
    since = click.option(
        "--since", type=Since(), help="Only records that failed since: 90m, 6h, 2d, or a time."
    )
    return code(since(command))
