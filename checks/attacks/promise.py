"""How a target says that its promise is broken."""


def expect(held: object, promise: str) -> None:
    """Raises AssertionError with the promise unless it held. Unlike `assert`, it is never off."""
    if not held:
        raise AssertionError(promise)
