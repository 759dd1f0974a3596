"""Statements of the stack's Athena, which may hold what an erasure has removed already.

One that read a raw object, or a compacted table, before it was rewritten may write its lines after:
a compaction's into a table, a query's into a result. So an erasure waits for those that were there
when it had cleaned what they read, and searches what they wrote.
"""

import time
from collections.abc import Callable, Iterator, Sequence

from sluice.errors import OperationError
from sluice.query.athena import POLL_SECONDS, POLL_SECONDS_MAX
from sluice.stack import Stack
from sluice.wording import counted

_ASKED_AT_ONCE = 50
"""Statements of one BatchGetQueryExecution
(https://docs.aws.amazon.com/athena/latest/APIReference/API_BatchGetQueryExecution.html)."""


def wait_for_statements(
    stack: Stack, report: Callable[[str], None], sleep: Callable[[float], None] = time.sleep
) -> None:
    """Wait until all statements that the stack's workgroup has by now have ended.

    `report` is called with a sentence, if there is something to wait for. Raises OperationError.
    """
    # The order of this list is not documented, so that all of it is read; each page is asked about
    # before the next, since Athena limits the pages of a second
    # (https://docs.aws.amazon.com/athena/latest/ug/service-limits.html).
    pages = stack.athena.get_paginator("list_query_executions").paginate(
        WorkGroup=stack.output("WorkgroupName")
    )
    running = [each for page in pages for each in _running(stack, page["QueryExecutionIds"])]
    if running:
        report(
            f"waiting for {counted(len(running), 'statement')} of Athena, which may have read what "
            "is erased"
        )
    pause = POLL_SECONDS
    while running:
        sleep(pause)
        pause = min(pause * 1.5, POLL_SECONDS_MAX)
        running = list(_running(stack, running))


def _running(stack: Stack, executions: Sequence[str]) -> Iterator[str]:
    """Yield the statements that have not ended."""
    for start in range(0, len(executions), _ASKED_AT_ONCE):
        asked = executions[start : start + _ASKED_AT_ONCE]
        answer = stack.athena.batch_get_query_execution(QueryExecutionIds=asked)
        for unknown in answer.get("UnprocessedQueryExecutionIds", []):
            raise OperationError(
                f"Athena does not say whether the statement {unknown.get('QueryExecutionId')} has "
                f"ended: {unknown.get('ErrorMessage')}; run the command again"
            )
        for each in answer["QueryExecutions"]:
            if each["Status"]["State"] in ("QUEUED", "RUNNING"):
                yield each["QueryExecutionId"]
