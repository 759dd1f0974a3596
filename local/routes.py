"""Routes whose paths match whole."""

from starlette.routing import Match, Route
from starlette.types import Scope


class WholePath(Route):
    """A route that no path with a newline at its end matches, which Starlette takes for the end."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether the route is asked for, and what its endpoint gets beside the scope."""
        return (Match.NONE, {}) if scope["path"].endswith("\n") else super().matches(scope)
