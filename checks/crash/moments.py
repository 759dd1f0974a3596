"""The moments at which a compaction is killed, each seen from outside of it."""

from collections.abc import Callable

from chalicelib.catalog import CURRENT, HISTORY, ICEBERG_PREFIX
from chalicelib.partitions import DATA_PREFIX
from sluice.lake import keys
from sluice.stack import Stack

Moment = Callable[[Stack], object]
"""Returns something that changes when the moment has come."""


def _files(prefix: str) -> Moment:
    """Return the moment at which a file is written below a prefix."""
    return lambda stack: {key for key, _ in keys(stack, ICEBERG_PREFIX + prefix)}


def _commit(name: str) -> Moment:
    """Return the moment of a commit to a table."""

    def entry(stack: Stack) -> object:
        tables = stack.glue.get_tables(DatabaseName=stack.output("DatabaseName"))["TableList"]
        return [each["Parameters"] for each in tables if each["Name"] == name]

    return entry


def _deletion() -> Moment:
    """Return the moment at which objects that were there at the start are deleted."""
    first: set[str] = set()

    def are_missing(stack: Stack) -> object:
        stored = {key for key, _ in keys(stack, DATA_PREFIX)}
        first.update(first or stored)
        return not first <= stored

    return are_missing


MOMENTS: dict[str, Moment] = {
    "a file of history is written": _files(f"{HISTORY}/data/"),
    "history is committed": _commit(HISTORY),
    "a file of current is written": _files(f"{CURRENT}/data/"),
    "current is committed": _commit(CURRENT),
    "objects are deleted": _deletion(),
}
