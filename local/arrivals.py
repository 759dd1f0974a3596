"""What arrives in the lake of a local run, read once, and what Firehose says of the rest."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import urllib3

from chalicelib.change import SNAPSHOT
from chalicelib.partitions import DATA_PREFIX
from local.session import Session
from sluice.items import Line, read_line
from sluice.lake import objects, read_objects
from sluice.stack import Stack

DELIVERY_SECONDS = 90.0
POLL_SECONDS = 0.2

Status = Mapping[str, int]
"""The counts of the local Firehose."""


class Arrivals:
    """The lines that have arrived so far."""

    def __init__(self, session: Session, stack: Stack) -> None:
        self._session = session
        self._stack = stack
        self._known: set[str] = set()
        self.lines: list[Line] = []
        self.sample: tuple[str, bytes] | None = None
        """The key of an object, and a line of it."""
        self.problems: list[str] = []

    @property
    def changes(self) -> int:
        """The number of lines that are not a backfill's."""
        return sum(line["changeType"] != SNAPSHOT for line in self.lines)

    def status(self) -> Status:
        """Return what the local Firehose has counted."""
        answer = urllib3.request("GET", f"{self._session.firehose_url}/status").json()
        status: Status = answer["streams"][self._stack.output("StreamName")]
        return status

    def wait(self, condition: Callable[[Status], bool]) -> bool:
        """Wait until a condition holds; False when that takes too long. Raises LocalRunError."""
        deadline = time.monotonic() + DELIVERY_SECONDS
        while not condition(self.status()):
            self._session.require_running()
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def wait_for(self, changes: int, snapshots: int, replayed: int) -> bool:
        """Wait until so many changes and snapshots are lines, in quarantine, or dropped.

        Of what was quarantined, `replayed` records came once more.
        """

        def are_there(status: Status) -> bool:
            self.read()
            elsewhere = status["quarantined"] + status["dropped"] - replayed
            return len(self.lines) + elsewhere >= changes + snapshots

        return self.wait(are_there)

    def read(self) -> None:
        """Read the objects that are new."""
        stored = [each for each in objects(self._stack, DATA_PREFIX) if each.key not in self._known]
        for each, content in read_objects(self._stack, stored, self.problems):
            self._known.add(each.key)
            lines = list(map(read_line, content))
            self.lines += lines
            for line, text in zip(lines, content, strict=True):
                if self.sample is None and line["changeType"] != SNAPSHOT:
                    self.sample = each.key, text


@contextmanager
def broken_transform(stack: Stack) -> Iterator[None]:
    """Have the transform return partition keys too few for the stream's prefix, until the end."""
    name, layout = stack.output("TransformName"), stack.table.layout
    variables = stack.functions.get_function_configuration(FunctionName=name)["Environment"][
        "Variables"
    ]
    fewer = layout[:-1] or tuple({"year", *stack.table.key_names} - {*layout})[:1]

    def configure(variables: Mapping[str, str]) -> None:
        stack.functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": variables}
        )
        stack.functions.get_waiter("function_updated_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 1}
        )

    configure({**variables, "LAYOUT": "/".join(fewer)})
    try:
        yield
    finally:
        configure(variables)
