"""What the server tells of the records that it holds."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from local.clock import Clock
from local.firehose.ledger import Ledger
from local.firehose.stream import Intervals, LocalStream
from tests.local.firehose.stand import asks, ok, poll


def test_open_buffers_are_reported_with_their_fill_and_the_time_they_have_left(
    deploy: Any, run: Any
) -> None:
    running = run(deploy(), buffer_seconds=10)
    running.put(asks(ok("a\n", site="a")), asks(ok("b\n", site="b")), asks(ok("bb\n", site="b")))
    poll(lambda: running.status()["transformed"] == 3)
    running.clock.advance(4)
    assert running.status()["buffers"] == [
        {"prefix": "data/site=a/", "records": 1, "bytes": 2, "dueInMs": 6000},
        {"prefix": "data/site=b/", "records": 2, "bytes": 5, "dueInMs": 6000},
    ]
    running.settle()
    assert running.status()["buffers"] == []


def test_records_before_and_after_the_function_are_distinguished(deploy: Any, run: Any) -> None:
    running = run(deploy(), processor_seconds=5)
    running.put(asks(ok("a\n", site="a")), asks({"result": "ProcessingFailed"}))
    before = running.status()
    assert (before["waitingForProcessor"], before["invocations"]) == (2, 0)
    running.settle()
    after = running.status()
    assert (after["waitingForProcessor"], after["invocations"]) == (0, 1)
    assert (after["transformed"], after["failed"]) == (1, 1)


def test_a_mistake_ends_the_server_with_its_records_unsettled() -> None:
    """A record that is stuck without a word would be worse; the journal has it."""
    size = SimpleNamespace(size_bytes=1000)
    config: Any = SimpleNamespace(
        buffering=size, processor=SimpleNamespace(buffering=size), deaggregates=False
    )
    absent: Any = None
    clock = Clock()

    async def tick(stream: LocalStream) -> None:
        while True:
            stream.tick()
            await asyncio.sleep(0.01)

    async def run() -> int:
        with ThreadPoolExecutor(1) as executor:
            stream = LocalStream(
                config,
                Intervals(0, 0),
                processor=absent,
                objects=absent,
                ledger=Ledger("stream", clock),
                clock=clock,
                invocations=executor,
                uploads=executor,
            )
            stream.put([b"1"])
            with pytest.raises(AttributeError, match="transform"):
                await asyncio.wait_for(tick(stream), 10)
            return stream._ledger.unsettled

    assert asyncio.run(run()) == 1
