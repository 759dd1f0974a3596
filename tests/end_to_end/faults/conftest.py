"""The stack to break, whole again after each test, and the table of what came of it."""

import io
import uuid
from collections.abc import Iterator

import pytest
from rich.console import Console
from rich.table import Table

from tests.end_to_end.deployment import Deployed
from tests.end_to_end.faults.accounting import Account
from tests.end_to_end.faults.proxy import Proxy
from tests.end_to_end.faults.stack import FaultyStack

ROWS = pytest.StashKey[list[tuple[str, Account]]]()


@pytest.fixture(scope="module")
def stack_behind_proxies(
    stack_under_test: Deployed, request: pytest.FixtureRequest
) -> Iterator[FaultyStack]:
    session = stack_under_test.local
    if session is None:
        pytest.skip("faults are injected on this machine alone")
    with (
        Proxy(session.endpoint_url) as aws,
        Proxy(session.firehose_url) as firehose,
        FaultyStack(stack_under_test, session, aws, firehose).in_place() as stack,
    ):
        request.config.stash[ROWS] = stack.rows
        yield stack


@pytest.fixture
def stack(stack_behind_proxies: FaultyStack) -> Iterator[FaultyStack]:
    stack_behind_proxies.run = uuid.uuid4().hex
    yield stack_behind_proxies
    stack_behind_proxies.mend()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if not (rows := config.stash.get(ROWS, [])):
        return
    columns = ("changes", "delivered", "quarantined", "dead_lettered", "duplicates", "lost")
    table = Table(title="Faults, and where the changes are", title_justify="left")
    table.add_column("fault")
    for column in columns:
        table.add_column(column.replace("_", "-"), justify="right")
    for fault, account in rows:
        table.add_row(fault, *(str(getattr(account, column)) for column in columns))
    text = io.StringIO()
    Console(file=text, width=140).print(table)
    terminalreporter.write_line("")
    terminalreporter.write(text.getvalue())
