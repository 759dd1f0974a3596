"""What the server tells of the records that it holds."""

from typing import Any

from tests.local.firehose.stand import asks, ok, poll


def test_open_buffers_are_told_with_their_fill_and_the_time_they_have_left(
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


def test_records_are_told_apart_before_and_after_the_function(deploy: Any, run: Any) -> None:
    running = run(deploy(), processor_seconds=5)
    running.put(asks(ok("a\n", site="a")), asks({"result": "ProcessingFailed"}))
    before = running.status()
    assert (before["waitingForProcessor"], before["invocations"]) == (2, 0)
    running.settle()
    after = running.status()
    assert (after["waitingForProcessor"], after["invocations"]) == (0, 1)
    assert (after["transformed"], after["failed"]) == (1, 1)
