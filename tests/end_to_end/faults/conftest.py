"""The stack to break, whole again after each test, and the table of what came of it."""

import io
import uuid
from collections.abc import Callable, Iterator

import pytest
from rich.console import Console
from rich.table import Table

from tests.end_to_end.deployment import Deployed
from tests.end_to_end.faults.proxy import Proxy
from tests.end_to_end.faults.stack import FaultyStack

COLUMNS = ("changes", "delivered", "quarantined", "given_up", "duplicates", "lost")
PROPERTY = "fault"
"""The rows travel in the tests' reports, from whatever process runs the tests to the summary."""


@pytest.fixture(scope="module")
def stack_behind_proxies(stack_under_test: Deployed) -> Iterator[FaultyStack]:
    session = stack_under_test.local
    if session is None:
        pytest.skip("faults are injected on this machine alone")
    with (
        Proxy(session.endpoint_url) as aws,
        Proxy(session.firehose_url) as firehose,
        FaultyStack(stack_under_test, session, aws, firehose).in_place() as stack,
    ):
        yield stack


@pytest.fixture
def stack(
    stack_behind_proxies: FaultyStack, record_property: Callable[[str, object], None]
) -> Iterator[FaultyStack]:
    stack_behind_proxies.run = uuid.uuid4().hex
    stack_behind_proxies.rows.clear()
    yield stack_behind_proxies
    stack_behind_proxies.mend()
    for fault, account in stack_behind_proxies.rows:
        record_property(PROPERTY, [fault, *(getattr(account, column) for column in COLUMNS)])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = [
        row
        for report in terminalreporter.stats.get("", [])
        for name, row in getattr(report, "user_properties", ())
        if name == PROPERTY and report.when == "teardown"
    ]
    if not rows:
        return
    table = Table(title="Faults, and where the changes are", title_justify="left")
    table.add_column("fault")
    for column in COLUMNS:
        table.add_column(column.replace("_", "-"), justify="right")
    for row in rows:
        table.add_row(*map(str, row))
    text = io.StringIO()
    Console(file=text, width=140).print(table)
    terminalreporter.write_line("")
    terminalreporter.write(text.getvalue())
