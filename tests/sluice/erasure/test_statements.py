"""Statements of Athena that run beside an erasure, and write what it has removed already."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from chalicelib.catalog import CURRENT, HISTORY, ICEBERG_PREFIX, key_columns
from chalicelib.keys import texts_of
from sluice.compaction.commits import as_stored
from sluice.compaction.rows import last_of_each, row_reader, with_bucket
from sluice.compaction.tables import LakeTables
from sluice.erasure.statements import wait_for_statements
from sluice.stack import Stack
from tests.declaring import change, delivered, items_of
from tests.sluice.erasure.bucket import Bucket, history, quoted

SECONDS = 60.0

Ending = Callable[[Callable[[], object]], list[str]]


@pytest.fixture
def ending(bucket: Bucket) -> Iterator[Ending]:
    """Starts a statement that runs on until it is asked for twice; it ends with this action."""
    started: list[str] = []

    def start(action: Callable[[], object]) -> list[str]:
        athena = bucket.stack.athena
        execution = athena.start_query_execution(
            QueryString="SELECT 1",
            WorkGroup="primary",
            ResultConfiguration={"OutputLocation": f"s3://{bucket.stack.bucket}/elsewhere/"},
        )["QueryExecutionId"]
        started.append(execution)
        asked: list[str] = []

        def answer(parsed: dict[str, Any], **_: Any) -> None:
            for each in parsed["QueryExecutions"]:
                if each["QueryExecutionId"] == execution:
                    asked.append(execution)
                    each["Status"]["State"] = "RUNNING" if len(asked) == 1 else "SUCCEEDED"
                    if len(asked) == 2:
                        action()

        athena.meta.events.register("after-call.athena.BatchGetQueryExecution", answer)
        return asked

    yield start
    # Its result is in the bucket then, which is emptied next.
    deadline = time.monotonic() + SECONDS
    while any(map(partial(is_running, bucket.stack), started)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(stack: Stack, execution: str) -> bool:
    """Whether a statement runs in the emulator."""
    answer = stack.athena.get_query_execution(QueryExecutionId=execution)
    # The emulator says that a statement succeeded before it writes the result.
    return "CompletionDateTime" not in answer["QueryExecution"]["Status"]


def compact_as_athena_does(stack: Stack, payloads: list[bytes]) -> None:
    """Add changes to both tables, whichever keys are erased."""
    tables = LakeTables(stack, stack.table)
    keys = key_columns(stack.table)
    lines = [line for _, line in delivered(stack.table, payloads)]
    rows = row_reader(stack.table, tables.columns(HISTORY))(lines)
    current = with_bucket(last_of_each(rows, keys), keys)
    for name, content in ((HISTORY, rows), (CURRENT, current)):
        table = tables.open(name)
        table.append(as_stored(table, content))


def test_what_a_compaction_writes_that_read_a_key_before_goes_too(
    bucket: Bucket, ending: Ending
) -> None:
    gone, other = items_of(bucket.table, 2)
    payloads = [*history(gone, 1), change(other, 9)]
    bucket.deliver(payloads)
    asked = ending(lambda: compact_as_athena_does(bucket.stack, payloads))

    erased = bucket.erase([gone])

    assert len(asked) > 1
    assert (erased.left, erased.places[ICEBERG_PREFIX].objects > 0) == (0, True)
    keys = [texts_of(bucket.table, item) for item in (gone, other)]
    assert quoted(bucket.table, keys, bucket.bytes()) == {keys[1]}
    table = LakeTables(bucket.stack, bucket.table).find(HISTORY)
    assert table is not None
    assert table.scan().count() == 1


def test_a_result_of_a_query_that_read_a_key_before_goes_too(
    bucket: Bucket, ending: Ending
) -> None:
    (gone,) = items_of(bucket.table, 1)
    bucket.deliver(history(gone, 1))
    (key,) = texts_of(bucket.table, gone)
    asked = ending(partial(bucket.put, "query-results/late.csv", f'"{key}"'.encode()))
    assert bucket.erase([gone]).left == 0
    assert len(asked) > 1
    assert not quoted(bucket.table, [(key,)], bucket.bytes())


def test_a_result_of_a_query_that_read_a_compacted_table_before_goes_too(
    bucket: Bucket, ending: Ending
) -> None:
    (gone,) = items_of(bucket.table, 1)
    compact_as_athena_does(bucket.stack, history(gone, 1))
    (key,) = texts_of(bucket.table, gone)
    asked: list[list[str]] = []

    def begin(**_: Any) -> None:
        if not asked:
            action = partial(bucket.put, "query-results/late.csv", f'"{key}"'.encode())
            asked.append(ending(action))

    bucket.stack.glue.meta.events.register("provide-client-params.glue.UpdateTable", begin)
    assert bucket.erase([gone]).left == 0
    assert len(asked[0]) > 1
    assert not quoted(bucket.table, [(key,)], bucket.bytes())


def test_it_says_what_it_waits_for_and_asks_again_after_a_pause(
    bucket: Bucket, ending: Ending
) -> None:
    ended: list[str] = []
    asked = ending(lambda: ended.append("yes"))
    sentences: list[str] = []
    pauses: list[float] = []
    wait_for_statements(bucket.stack, sentences.append, pauses.append)
    assert sentences == ["waiting for 1 statement of Athena, which may have read what is erased"]
    assert (ended, len(asked), len(pauses)) == (["yes"], 2, 1)
    wait_for_statements(bucket.stack, sentences.append, pauses.append)
    assert (len(sentences), len(pauses)) == (1, 1)
