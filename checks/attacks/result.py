"""What an attack on one target came to."""

from msgspec import Struct


class Crash(Struct, frozen=True):
    """A broken promise, or an exception that no caller expects."""

    reason: str
    """The exception's type and message, or what the driver says."""
    input: str | None = None
    """The path of the input that does it, where there is one."""
    replay: str | None = None
    """The command that does it again."""


class Result(Struct, frozen=True):
    """The run of one target."""

    target: str
    inputs: int
    """Inputs tried."""
    seconds: float
    edges: int | None = None
    """Edges of the attacked modules' code that were reached, where the driver counts them."""
    crashes: tuple[Crash, ...] = ()

    @property
    def per_second(self) -> float:
        """Inputs a second."""
        return self.inputs / self.seconds if self.seconds else 0.0
